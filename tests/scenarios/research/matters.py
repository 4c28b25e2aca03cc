"""What can be asked of a thing, and in which words sources say it: those the rules were made with, and others."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MATTERS", "UNSEEN", "Matter"]


@dataclass(frozen=True)
class Matter:
    """`says` are its wordings; `{it}` is the thing's name, or its kind, `{v}` a value of this kind."""

    thing: str
    kind: str
    asks: Sequence[str]
    says: Sequence[str]


MATTERS = (
    Matter(
        "Bridge",
        "size",
        ("How long is the {name}?", "What is the length of the {name}?"),
        (
            "{it} is {v} metres long.",
            "From bank to bank {it} has a length of {v} metres.",
            "{it}, of steel, is {v} metres long and has two lanes.",
        ),
    ),
    Matter(
        "Viaduct",
        "year",
        ("When was the {name} opened?", "In which year did the {name} open?"),
        (
            "{it} was opened in {v}.",
            "After six years of work, {it} opened in {v}.",
            "In {v} {it} was inaugurated by the governor.",
        ),
    ),
    Matter(
        "Ferry",
        "count",
        ("How many passengers does the {name} carry?", "How many passengers can the {name} carry?"),
        (
            "{it} carries {v} passengers.",
            "{it} has room: it holds {v} passengers.",
            "At most {v} passengers are carried by {it}.",
        ),
    ),
    Matter(
        "Museum",
        "person",
        ("Who founded the {name}?", "By whom was the {name} founded?"),
        ("{it} was founded by {v}.", "It was {v} who founded {it}.", "{v} established {it} after a bequest."),
    ),
    Matter(
        "Hospital",
        "count",
        ("How many beds does the {name} have?",),
        ("{it} has {v} beds.", "There are {v} beds in {it}.", "With its {v} beds, {it} serves the whole valley."),
    ),
    Matter(
        "Lighthouse",
        "year",
        ("When was the {name} automated?",),
        (
            "{it} was automated in {v}.",
            "Since {v}, when {it} was automated, nobody lives there.",
            "Automated in {v}, {it} needs no keeper.",
        ),
    ),
    Matter(
        "Reservoir",
        "size",
        ("How deep is the {name}?", "What is the depth of the {name}?"),
        ("{it} is {v} metres deep.", "The depth of {it} is {v} metres.", "Divers found {it} to be {v} metres deep."),
    ),
    Matter(
        "Brewery",
        "count",
        ("How many people does the {name} employ?", "How many people are employed by the {name}?"),
        ("{it} employs {v} people.", "{it} has a staff of {v} people.", "{v} people are employed by {it}."),
    ),
    Matter(
        "Observatory",
        "person",
        ("Who directs the {name}?", "Who is the director of the {name}?"),
        (
            "{it} is headed by {v}.",
            "The director of {it} is {v}.",
            "{v} has been the director of {it} for some years.",
        ),
    ),
)
UNSEEN = (
    Matter(
        "Castle",
        "count",
        ("How many towers does the {name} have?",),
        (
            "{it} has {v} towers.",
            "Of the {v} towers of {it}, most are roofless.",
            "Visitors count {v} towers at {it}.",
        ),
    ),
    Matter(
        "Railway",
        "year",
        ("When was the {name} closed?", "When did the {name} close?"),
        ("{it} was closed in {v}.", "The last train ran on {it} in {v}.", "{it} shut in {v}, to nobody's surprise."),
    ),
    Matter(
        "Theatre",
        "count",
        ("How many seats does the {name} have?",),
        ("{it} seats {v}.", "{v} spectators fit into {it}.", "The hall of {it} has {v} seats."),
    ),
    Matter(
        "Sawmill",
        "person",
        ("Who owns the {name}?", "To whom does the {name} belong?"),
        ("{it} belongs to {v}.", "{v} owns {it}.", "{v} bought {it} from the state."),
    ),
    Matter(
        "Mine",
        "size",
        ("How much coal does the {name} produce each year?",),
        (
            "{it} produces {v} tonnes of coal a year.",
            "Each year {v} tonnes of coal come out of {it}.",
            "{it} yields {v} tonnes of coal each year.",
        ),
    ),
    Matter(
        "Church",
        "person",
        ("Who designed the {name}?", "Who was the architect of the {name}?"),
        ("{it} was designed by {v}.", "The architect of {it} was {v}.", "{v} drew the plans of {it}."),
    ),
    Matter(
        "School",
        "year",
        ("When was the {name} founded?", "Since when has the {name} existed?"),
        ("{it} was founded in {v}.", "{it} dates from {v}.", "{it} has existed since {v}."),
    ),
    Matter(
        "Dam",
        "size",
        ("How high is the {name}?", "What is the height of the {name}?"),
        ("{it} is {v} metres high.", "{it} rises {v} metres above the river.", "The height of {it} is {v} metres."),
    ),
    Matter(
        "Harbour",
        "count",
        ("How many ships call at the {name} each week?",),
        (
            "{v} ships call at {it} each week.",
            "In a week, {it} sees {v} ships.",
            "{it} is visited by {v} ships each week.",
        ),
    ),
)
"""Written after the rules, which were not bettered by them."""
