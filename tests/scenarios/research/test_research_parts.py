"""The parts one by one: questions taken apart, values read, sentences cut, claims compared."""

import pytest

from fleetlog.runtime.scenarios.research.checking import CONFIRMED, CONTRADICTED, SINGLE, judged
from fleetlog.runtime.scenarios.research.documents import (
    Document,
    passages_of_pages,
    passages_of_text,
    sentences_of,
)
from fleetlog.runtime.scenarios.research.evidence import claims_for
from fleetlog.runtime.scenarios.research.lexicon import load_lexicon
from fleetlog.runtime.scenarios.research.library import Library
from fleetlog.runtime.scenarios.research.questions import parts_of, query_of
from fleetlog.runtime.scenarios.research.values import values_of, years_of

LEXICON = load_lexicon()


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When was the Mill built, and who owns it?", ["When was the Mill built", "who owns the Mill"]),
        ("How long is the bridge? Who built it?", ["How long is the bridge", "Who built the bridge"]),
        ("Who founded the Tarn Inn and when?", ["Who founded the Tarn Inn", "when (founded the Tarn Inn)"]),
        ("Why do salt and pepper clump?", ["Why do salt and pepper clump"]),
        ("Is the Mill open, and is it free?", ["Is the Mill open", "is the Mill free"]),
    ],
)
def test_a_question_is_split_where_it_asks_again(question: str, parts: list[str]) -> None:
    assert parts_of(question, LEXICON) == parts


@pytest.mark.parametrize(
    ("part", "kind", "names"),
    [
        ("When was the Tarn Mill built", "date", ["Tarn Mill"]),
        ("Which river does the bridge cross", "text", []),
        ("What is the length of the Tarn Bridge", "number", ["Tarn Bridge"]),
        ("By whom was it designed in 1912", "name", ["1912"]),
        ("Is it closed on Mondays", "yes or no", ["Mondays"]),
    ],
)
def test_a_part_has_a_kind_and_its_names(part: str, kind: str, names: list[str]) -> None:
    query = query_of(part, LEXICON)
    assert (query.kind, [name.spellings[0] for name in query.names]) == (kind, names)


def test_figures_are_read_with_their_units_and_years_are_none() -> None:
    def read(text: str) -> list[tuple[str, ...]]:
        return [value.key for value in values_of("number", text, (), LEXICON)]

    assert read("In 1987 it carried 1,250 people over 3.2 km.") == [("1250", "people"), ("3.2", "kilometre")]
    assert read("It cost €4.5 million; twelve men built it.") == [("4500000", "euro"),
                                                                  ("12", "men")]  # fmt: skip
    assert read("It weighs 1500 tonnes.") == [("1500", "tonne")]
    assert years_of("In 2023 observers counted 1800 pairs, after the 1987 floods.") == {"2023", "1987"}


def test_dates_of_three_spellings_are_one() -> None:
    texts = ("on 3 May 1987", "on May 3, 1987", "on 1987-05-03")
    assert {values_of("date", text, (), LEXICON)[0].key for text in texts} == {("1987", "5", "3")}


def test_a_place_is_not_who_did_it() -> None:
    said = values_of("name", "The mill of Tarn was built by Ada Dunholm in Fenwick.", (), LEXICON)
    assert [value.said for value in said] == ["Ada Dunholm"]


def test_sentences_keep_their_lines_and_code_is_none() -> None:
    text = (
        "# Mill\n\nDr. Penn came\nin 1820. He left; nobody\nknows why.\n\n```\nIt is code here.\n```\n- an item here\n"
    )
    document = Document("a.md", "Mill", passages_of_text(text))
    found = [(one.line, one.text) for passage in document.passages for one in sentences_of(document, passage)]
    assert found == [(3, "Dr. Penn came in 1820."), (4, "He left;"), (4, "nobody knows why."), (10, "an item here")]


def test_a_short_line_of_a_pdf_is_a_heading() -> None:
    page = "Staff\nThe company has a staff of fifty-eight people, and it\nlooks for more."
    (passage,) = passages_of_pages([page])
    assert (passage.heading, passage.page) == ("Staff", 1)
    assert passage.text.startswith("The company")


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ("The Tarn Mill has 12 wheels.", "There are 14 wheels at the Tarn Mill.", CONTRADICTED),
        ("The Tarn Mill has 12 wheels.", "At the Tarn Mill twelve wheels turn.", CONFIRMED),
        ("The Tarn Mill has 12 wheels.", "The Tarn Mill has 12 wheels.", SINGLE),  # copied
        ("The Tarn Mill has 12 wheels.", "In 1820 the Tarn Mill had 14 wheels.", SINGLE),  # at another time
        ("The Tarn Mill has 12 wheels.", "The Tarn Mill has 14 northern wheels.", SINGLE),  # of another part
        ("The Tarn Mill has 12 wheels.", "Unlike the Tarn Mill, Borrow Mill has 14 wheels.", SINGLE),
    ],
)
def test_two_sentences_agree_contradict_or_speak_of_different_things(one: str, other: str, says: str) -> None:
    documents = [Document(name, "", passages_of_text(text)) for name, text in (("a.md", one), ("b.md", other))]
    library = Library(documents)
    try:
        query = query_of("How many wheels does the Tarn Mill have", LEXICON)
        claims = claims_for(library, query, 1, LEXICON)
    finally:
        library.close()
    first = next(claim for claim in claims if claim.path == "a.md")
    assert judged(first, True, claims, LEXICON).says == says
