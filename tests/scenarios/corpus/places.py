"""Corpora whose answers are known: made from a seed, with distractors, contradictions, and questions without answer."""

import random
from pathlib import Path
from typing import NamedTuple

SHIPPED = Path(__file__).parents[3] / "examples" / "research"


class Truth(NamedTuple):
    """A question and what must be quoted for it; empty when no document answers. `disputed`: two documents differ."""

    question: str
    answers: tuple[str, ...] = ()
    disputed: bool = False


SHIPPED_TRUTH = (
    Truth("When was the lighthouse of Vellin built?", ("1891", "1889"), disputed=True),
    Truth("Who built the lighthouse?", ("Paul Haverby",)),
    Truth("How long does the ferry to Vellin take?", ("95 minutes",)),
    Truth("How many inhabitants has Vellin?", ("1,240",)),
    Truth("What is the highest point of Vellin?", ("Mount Karrow",)),
    Truth("How many pairs of puffins were counted on the cliffs?", ("3,400", "2,900"), disputed=True),
    Truth("When was the last eruption of Mount Karrow?", ("1702",)),
    Truth("How much is the admission to the museum?", ("free",)),
    Truth("How many boats has the fishing fleet of Vellin?", ("17 boats",)),
    Truth("Who is the harbour master?", ("Ines Tarrow",)),
    Truth("When was the harbour of Vellin opened?", ("1874",)),
    Truth("What does a hotel room cost?"),
    Truth("Who founded the university library?"),
    Truth("Which airline flies from Brussels?"),
)

_TOWNS = (
    "Arlen", "Borrow", "Cantle", "Dessing", "Ember", "Fallow", "Garrick", "Hollin", "Istrin", "Jarrow", "Kestle",
    "Lorrin",
)  # fmt: skip
_FACTS = (
    ("bridge", "The bridge of {town} was built in {year}.", "When was the bridge of {town} built?", "{year}"),
    ("market", "The market of {town} has {count} stalls.", "How many stalls has the market of {town}?", "{count}"),
    ("tower", "The tower of {town} is {height} metres high.", "How high is the tower of {town}?", "{height}"),
    ("mayor", "The mayor of {town} is {person}.", "Who is the mayor of {town}?", "{person}"),
)  # fmt: skip
_FILLER = (
    "Many visitors come in spring.", "The road was repaired twice.", "Nobody remembers who planted the old lime tree.",
    "The weather is mild, and the harvest was good.", "A brass band plays on the square.",
)  # fmt: skip


def make_corpus(root: Path, seed: int, towns: int = 8) -> list[Truth]:
    """Documents about towns, some facts told twice, some contradicted; and questions about half of them."""
    chooser = random.Random(seed)
    names, truths = chooser.sample(_TOWNS, towns), list[Truth]()
    asked, absent = names[: towns - 2], names[towns - 2 :]
    for town in asked:
        told, again = [], []
        for kind, text, question, answer in _FACTS:
            values = _values(chooser)
            told.append(text.format(town=town, **values))
            disputed = chooser.random() < 0.3 and kind != "mayor"
            other = _values(chooser) if disputed else values
            if disputed or chooser.random() < 0.4:
                again.append(text.format(town=town, **other))
            answers = {answer.format(**values), answer.format(**other)} if disputed else {answer.format(**values)}
            truths.append(Truth(question.format(town=town), tuple(sorted(answers)), disputed and len(answers) > 1))
        _write(root / f"{town.lower()}.md", f"# {town}", told, chooser)
        _write(root / "more" / f"notes-on-{town.lower()}.txt", "", again, chooser)
    truths += [Truth(_FACTS[chooser.randrange(4)][2].format(town=town)) for town in absent]
    return truths


def _values(chooser: random.Random) -> dict[str, str]:
    return {
        "year": str(chooser.randint(1500, 1990)),
        "count": str(chooser.randint(10, 99)),
        "height": str(chooser.randint(11, 120)),
        "person": f"{chooser.choice('ABCDE')}na {chooser.choice(('Reed', 'Stone', 'Marsh', 'Field'))}son",
    }


def _write(path: Path, title: str, told: list[str], chooser: random.Random) -> None:
    paragraphs = [title, *told, *chooser.sample(_FILLER, 3)]
    chooser.shuffle(paragraphs[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(part for part in paragraphs if part) + "\n")


def write_pdf(path: Path, text: str) -> None:
    """A PDF of one page with a line of text: the least that a reader takes."""
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    path.write_bytes(body + end % (len(objects) + 1, table, len(objects) + 1, len(body)))
