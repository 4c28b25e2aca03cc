"""How the lead splits a question: its own parts, then sides of its subject that the corpus has headings for."""

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.research.documents import Document
from fleetlog.runtime.scenarios.research.evidence import claims_for
from fleetlog.runtime.scenarios.research.lexicon import Lexicon
from fleetlog.runtime.scenarios.research.library import Library
from fleetlog.runtime.scenarios.research.questions import Query, names_in, parts_of, query_of, tokens

__all__ = ["Part", "Plan", "plan_for"]

MAX_PARTS = 12
_ALSO = (
    r"(?:,?\s+(?:which is |also |locally |formerly |better |often |commonly |then )*"
    r"(?:known(?: locally)? as|called|nicknamed|renamed)\s+)"
)
_NAME = r"(?:[A-Z][\w-]*(?:\s+[A-Z][\w-]*){0,3})"


class Part(Struct, frozen=True):
    """A part of the question, whole for itself. Of the background is what was not asked, and may be good to know."""

    number: int
    text: str
    is_background: bool = False


class Plan(Struct, frozen=True):
    """The question, its parts, and names that the corpus uses for one thing."""

    question: str
    parts: tuple[Part, ...]
    aliases: tuple[tuple[str, str], ...] = ()


def plan_for(
    question: str, researchers: int, documents: Sequence[Document], library: Library, lexicon: Lexicon
) -> Plan:
    """At least one part; as many as there are researchers, where the corpus has as many sides of the subject."""
    asked = parts_of(question, lexicon)[:MAX_PARTS] or [question.strip()]
    aliases = tuple(
        pair for name in dict.fromkeys(n for one in asked for n in names_in(one)) for pair in _aliases(name, documents)
    )
    queries = [query_of(one, lexicon, aliases) for one in asked]
    sides = _sides(queries, max(0, researchers - len(asked)), library, lexicon)
    texts = [*((text, False) for text in asked), *((text, True) for text in sides)]
    return Plan(question, tuple(Part(n, text, rest) for n, (text, rest) in enumerate(texts, start=1)), aliases)


def _aliases(name: str, documents: Sequence[Document]) -> list[tuple[str, str]]:
    """Other names: `A, also known as B`; `A (B)` where B is short for A."""
    also = re.compile(rf"{re.escape(name)}{_ALSO}(?:the |[\"“'])*({_NAME})")
    short = re.compile(rf"{re.escape(name)}\s+\(([A-Z]{{2,6}})\)")
    found = []
    for document in documents:
        for passage in document.passages:
            text = " ".join(passage.text.split())
            if name in text:
                found += [(name, one[1]) for one in also.finditer(text)]
                found += [(name, one[1]) for one in short.finditer(text) if _is_short_for(one[1], name)]
    return sorted(set(found))


def _is_short_for(short: str, name: str) -> bool:
    return [word[0].upper() for word in name.split() if word[0].isupper()] == list(short)


def _sides(queries: Sequence[Query], count: int, library: Library, lexicon: Lexicon) -> list[str]:
    """Headings of sources about the subject that the question did not name."""
    names = [name.spellings[0] for query in queries for name in query.names if not name.spellings[0][0].isdigit()]
    if not names or not count:
        return []
    subject = max(names, key=len)
    seen: Counter[str] = Counter()
    known = {word for query in queries for word in query.searched} | lexicon.sections
    for sentence in library.find((token.lower() for token in tokens(subject)), 40):
        heading = sentence.heading.strip(" .:")
        words = [token.lower() for token in tokens(heading)]
        is_about = subject in f"{sentence.text} {sentence.title}"
        if is_about and 0 < len(words) <= 6 and heading != sentence.title and not known & set(words):
            seen[heading] += 1
    ranked = sorted(seen, key=lambda heading: (-seen[heading], heading))
    sides = (f"{subject}: {heading[:1].lower()}{heading[1:]}" for heading in ranked)
    return [one for one in sides if claims_for(library, query_of(one, lexicon), 0, lexicon)][:count]
