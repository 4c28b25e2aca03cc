"""Makes corpora with known answers: facts in one source, in two, contradicted, or in none; and traps, which look like
answers and are none. Names, values, wording and places are drawn by a seed, so that no rule can be made for one text.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.scenarios.research.pdfs import pdf_of

__all__ = ["Truth", "make_big_corpus", "make_corpus"]

SINGLE, DOUBLE, DISPUTED, COPIED, ABSENT = "single", "double", "disputed", "copied", "absent"
FATES = (SINGLE, SINGLE, DOUBLE, DOUBLE, DISPUTED, DISPUTED, COPIED, ABSENT, ABSENT)

SYLLABLES = ("bar", "cor", "dun", "el", "fen", "gar", "hal", "kel", "lin", "mar", "nor", "or", "pel", "ros", "sel", "tor", "ul", "ven")  # fmt: skip
ENDINGS = ("ton", "wick", "holm", "ford", "mere", "by", "dale", "stead")
FIRST = ("Ada", "Boris", "Celia", "Dario", "Enid", "Felix", "Greta", "Hugo", "Irma", "Jonas", "Kira", "Lars", "Mona", "Nils")  # fmt: skip


@dataclass(frozen=True)
class Matter:
    """Something that can be asked of a thing. `says` are its wordings; `{it}` the thing or a pronoun, `{v}` a value."""

    thing: str
    asks: Sequence[str]
    says: Sequence[str]
    kind: str


MATTERS = (
    Matter("Bridge", ("How long is the {name}?", "What is the length of the {name}?"),
           ("{it} is {v} metres long.", "From bank to bank {it} has a length of {v} metres.", "{it}, of steel, is {v} metres long and has two lanes."), "size"),
    Matter("Bridge", ("When was the {name} opened?", "In which year did the {name} open?"),
           ("{it} was opened in {v}.", "After six years of work, {it} opened in {v}.", "In {v} {it} was inaugurated by the governor."), "year"),
    Matter("Ferry", ("How many passengers does the {name} carry?", "How many passengers can the {name} carry?"),
           ("{it} carries {v} passengers.", "{it} has room: it holds {v} passengers.", "At most {v} passengers are carried by {it}."), "count"),
    Matter("Museum", ("Who founded the {name}?", "By whom was the {name} founded?"),
           ("{it} was founded by {v}.", "It was {v} who founded {it}.", "{v} established {it} after a bequest."), "person"),
    Matter("Hospital", ("How many beds does the {name} have?",),
           ("{it} has {v} beds.", "There are {v} beds in {it}.", "With its {v} beds, {it} serves the whole valley."), "count"),
    Matter("Lighthouse", ("When was the {name} automated?",),
           ("{it} was automated in {v}.", "Since {v}, when {it} was automated, nobody lives there.", "Automated in {v}, {it} needs no keeper."), "year"),
    Matter("Reservoir", ("How deep is the {name}?", "What is the depth of the {name}?"),
           ("{it} is {v} metres deep.", "The depth of {it} is {v} metres.", "Divers found {it} to be {v} metres deep."), "size"),
    Matter("Brewery", ("How many people does the {name} employ?", "How many people are employed by the {name}?"),
           ("{it} employs {v} people.", "{it} has a staff of {v} people.", "{v} people are employed by {it}."), "count"),
    Matter("Observatory", ("Who directs the {name}?", "Who is the director of the {name}?"),
           ("{it} is headed by {v}.", "The director of {it} is {v}.", "{v} has been the director of {it} for some years."), "person"),
)  # fmt: skip
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
    """A question and what is true of it: its fate and the quotes that answer it."""

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
        for path, blocks in self.documents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if path.endswith(".pdf"):
                wrapped = "\n\n".join(_wrapped(block) for block in blocks)
                (root / path).write_bytes(pdf_of(blocks[0], [wrapped]))
            else:
                (root / path).write_text("\n\n".join(_wrapped(block) for block in blocks) + "\n")


def _wrapped(text: str, width: int = 70) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines, line = [*lines, line], word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def make_corpus(root: Path, seed: int) -> Truth:
    """A corpus about nine things, each with its own fate; and nothing but traps about others of their kinds."""
    dice = random.Random(seed)
    corpus, truth = Corpus(dice), Truth()
    places = dice.sample([a + b + c for a in SYLLABLES for b in ("", *SYLLABLES) for c in ENDINGS], 30)
    fates = dice.sample(FATES, len(FATES))
    for number, (matter, fate) in enumerate(zip(MATTERS, fates, strict=True)):
        name = f"{places[number].capitalize()} {matter.thing}"
        truth.asked.append(_tell(corpus, matter, name, fate, number))
        _set_traps(corpus, matter, name, f"{places[15 + number].capitalize()} {matter.thing}", number)
    corpus.write(root)
    return truth


def _tell(corpus: Corpus, matter: Matter, name: str, fate: str, number: int) -> Asked:
    dice = corpus.dice
    asked = Asked(dice.choice(matter.asks).format(name=name), fate)
    value, other = _two_values(dice, matter.kind)
    paths = [f"guide/{number}.md", f"archive/{number}.{dice.choice(('txt', 'pdf', 'md'))}"]
    first, second = dice.sample(matter.says, 2)
    told = {
        SINGLE: [(paths[0], first, value)],
        DOUBLE: [(paths[0], first, value), (paths[1], second, value)],
        DISPUTED: [(paths[0], first, value), (paths[1], second, other)],
        COPIED: [(paths[0], first, value), (paths[1], first, value)],
        ABSENT: [],
    }[fate]
    for path, wording, said in told:
        it = (
            f"the {name}"
            if fate == COPIED or path == paths[1] or dice.random() < 0.5
            else f"the {matter.thing.lower()}"
        )
        sentence = wording.format(it=it, v=said)
        sentence = sentence[:1].upper() + sentence[1:]
        corpus.add(path, name, sentence)
        asked.answers.add((path, sentence))
    return asked


def _two_values(dice: random.Random, kind: str) -> tuple[str, str]:
    if kind == "person":
        one, other = dice.sample(FIRST, 2)
        return tuple(f"{first} {dice.choice(SYLLABLES).capitalize()}{dice.choice(ENDINGS)}" for first in (one, other))  # type: ignore[return-value]
    low, high = {"year": (1790, 2010), "size": (12, 900), "count": (20, 960)}[kind]
    one_number, other_number = dice.sample(range(low, high), 2)
    return str(one_number), str(other_number)


def _set_traps(corpus: Corpus, matter: Matter, name: str, twin: str, number: int) -> None:
    """What looks like an answer: of another thing of the kind, planned, compared, asked, or without the value."""
    dice = corpus.dice
    value, other = _two_values(dice, matter.kind)
    sentence = dice.choice(matter.says).format(it=f"the {twin}", v=value)
    corpus.add(f"twins/{number}.md", twin, sentence[:1].upper() + sentence[1:])
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
        wording = matter.says[0].format(it=f"the {twin}", v=other)
        corpus.add(f"notes/{dice.randrange(4)}.txt", "valley", wording[:1].upper() + wording[1:])


def make_big_corpus(root: Path, seed: int, files: int) -> Truth:
    """The same among many files on other things."""
    truth = make_corpus(root, seed)
    dice = random.Random(seed)
    for number in range(files):
        subject = f"{dice.choice(SYLLABLES).capitalize()}{dice.choice(SYLLABLES)} {dice.choice(('Mill', 'Farm', 'Inn', 'Quarry'))}"  # fmt: skip
        blocks = [f"# The {subject}"]
        for _ in range(12):
            plain = " ".join(dice.sample(PLAIN, 3))
            blocks.append(
                _wrapped(f"The {subject} had {dice.randrange(2, 90)} visitors in {dice.randrange(1900, 2020)}. {plain}")
            )
        path = root / "more" / f"{number % 20}" / f"{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(blocks) + "\n")
    return truth
