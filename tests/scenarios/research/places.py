"""Makes corpora with known answers: facts in one source, in two, contradicted, or in none; and traps, which look like
answers and are none. Names, values, wording and places are drawn by a seed, so that no rule can be made for one text.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.scenarios.research.matters import MATTERS, Matter
from tests.scenarios.research.pdfs import pdf_of

__all__ = ["Truth", "make_big_corpus", "make_corpus"]

SINGLE, DOUBLE, DISPUTED, COPIED, ABSENT = "single", "double", "disputed", "copied", "absent"
FATES = (SINGLE, SINGLE, DOUBLE, DOUBLE, DISPUTED, DISPUTED, COPIED, ABSENT, ABSENT)
SYLLABLES = (
    "bar",
    "cor",
    "dun",
    "el",
    "fen",
    "gar",
    "hal",
    "kel",
    "lin",
    "mar",
    "nor",
    "or",
    "pel",
    "ros",
    "sel",
    "tor",
)
ENDINGS = ("ton", "wick", "holm", "ford", "mere", "by", "dale", "stead")
FIRST = ("Ada", "Boris", "Celia", "Dario", "Enid", "Felix", "Greta", "Hugo", "Irma", "Jonas", "Kira", "Lars", "Mona")
PLAIN = (
    "A path leads there from the market square.",
    "Dogs must be kept on a lead.",
    "Tickets are sold at the kiosk in the morning.",
    "The walls were repaired after the storm.",
    "Children like it best in spring.",
    "It has often been photographed.",
)


@dataclass
class Asked:
    """A question and what is true of it: its fate and the quotes that answer it, with their files."""

    question: str
    fate: str
    answers: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Truth:
    """What is true of a corpus."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def question(self) -> str:
        return " ".join(one.question for one in self.asked)


class Corpus:
    """Documents in the making: path -> its blocks."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.documents: dict[str, list[str]] = {}

    def add(self, path: str, name: str, sentence: str) -> None:
        """A paragraph with this sentence somewhere in it, under a title that says what it is about."""
        if path not in self.documents:
            self.documents[path] = [f"# The {name}" if path.endswith(".md") else f"The {name}, some notes"]
        plain = self.dice.sample(PLAIN, 2)
        said = [sentence, *plain] if self.dice.random() < 0.5 else [plain[0], sentence, plain[1]]
        self.documents[path].append(" ".join(said))

    def write(self, root: Path) -> None:
        """All of them."""
        for path, blocks in self.documents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            text = "\n\n".join(map(_wrapped, blocks)) + "\n"
            if path.endswith(".pdf"):
                (root / path).write_bytes(pdf_of(blocks[0], [text]))
            else:
                (root / path).write_text(text)


def make_corpus(root: Path, seed: int, matters: Sequence[Matter] = MATTERS) -> Truth:
    """A corpus about nine things, each with its own fate; and traps about them, and about others of their kinds."""
    dice = random.Random(seed)
    corpus, truth = Corpus(dice), Truth()
    places = dice.sample([a + b + c for a in SYLLABLES for b in ("", *SYLLABLES) for c in ENDINGS], 30)
    fates = dice.sample(FATES, len(FATES))
    for number, (matter, fate) in enumerate(zip(matters, fates, strict=True)):
        name = f"{places[number].capitalize()} {matter.thing}"
        truth.asked.append(_tell(corpus, matter, name, fate, number))
        _set_traps(corpus, matter, name, f"{places[15 + number].capitalize()} {matter.thing}", number)
    corpus.write(root)
    return truth


def _tell(corpus: Corpus, matter: Matter, name: str, fate: str, number: int) -> Asked:
    dice = corpus.dice
    asked = Asked(dice.choice(matter.asks).format(name=name), fate)
    value, other = _two_values(dice, matter.kind)
    guide, archive = f"guide/{number}.md", f"archive/{number}.{dice.choice(('txt', 'pdf', 'md'))}"
    first, second = dice.sample(matter.says, 2)
    told = {
        SINGLE: [(guide, first, value)],
        DOUBLE: [(guide, first, value), (archive, second, value)],
        DISPUTED: [(guide, first, value), (archive, second, other)],
        COPIED: [(guide, first, value), (archive, first, value)],
        ABSENT: [],
    }[fate]
    for path, wording, said in told:
        is_named = fate == COPIED or path == archive or dice.random() < 0.5
        sentence = _sentence(wording, name if is_named else matter.thing.lower(), said)
        corpus.add(path, name, sentence)
        asked.answers.add((path, sentence))
    return asked


def _sentence(wording: str, thing: str, value: str) -> str:
    said = wording.format(it=f"the {thing}", v=value)
    return said[:1].upper() + said[1:]


def _two_values(dice: random.Random, kind: str) -> tuple[str, str]:
    if kind == "person":
        one, other = dice.sample(FIRST, 2)
        return _named(dice, one), _named(dice, other)
    low, high = {"year": (1790, 2010), "size": (12, 900), "count": (20, 960)}[kind]
    one_number, other_number = dice.sample(range(low, high), 2)
    return str(one_number), str(other_number)


def _named(dice: random.Random, first: str) -> str:
    return f"{first} {dice.choice(SYLLABLES).capitalize()}{dice.choice(ENDINGS)}"


def _set_traps(corpus: Corpus, matter: Matter, name: str, twin: str, number: int) -> None:
    """What looks like an answer: of another thing of the kind, compared, or without the value."""
    dice = corpus.dice
    value, other = _two_values(dice, matter.kind)
    corpus.add(f"twins/{number}.md", twin, _sentence(dice.choice(matter.says), twin, value))
    traps = (
        f"The {name} is known far beyond the valley.",
        f"In 1996 a painter spent three weeks at the {name}.",
        f"Unlike the {name}, the {twin} is seldom visited.",
        f"Who goes to the {name} passes the old mill.",
        f"Nobody has ever asked about the {name}, says the clerk.",
    )
    for trap in dice.sample(traps, 3):
        corpus.add(f"notes/{dice.randrange(4)}.txt", "valley", trap)
    if matter.kind in ("size", "count"):
        corpus.add(f"notes/{dice.randrange(4)}.txt", "valley", _sentence(matter.says[0], twin, other))


def _wrapped(text: str, width: int = 70) -> str:
    lines, line = list[str](), ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines, line = [*lines, line], word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def make_big_corpus(root: Path, seed: int, files: int) -> Truth:
    """The same among many files on other things."""
    truth = make_corpus(root, seed)
    dice = random.Random(seed)
    for number in range(files):
        kind = dice.choice(("Mill", "Farm", "Inn", "Quarry"))
        subject = f"{dice.choice(SYLLABLES).capitalize()}{dice.choice(SYLLABLES)} {kind}"
        blocks = [f"# The {subject}", *(_about_visitors(dice, subject) for _ in range(12))]
        path = root / "more" / f"{number % 20}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(blocks) + "\n")
    return truth


def _about_visitors(dice: random.Random, subject: str) -> str:
    visitors, year = dice.randrange(2, 90), dice.randrange(1900, 2020)
    return _wrapped(f"The {subject} had {visitors} visitors in {year}. {' '.join(dice.sample(PLAIN, 3))}")
