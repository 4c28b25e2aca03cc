"""Checks a spec's links, anchors and images: what stands there must lead somewhere. Pure."""

import re
from collections.abc import Iterator

from fleetlog.runtime.scenarios.explore.markdown import code
from fleetlog.runtime.scenarios.review.document import Document, Link, without_code
from fleetlog.runtime.scenarios.review.findings import SHOULD, Finding
from fleetlog.runtime.scenarios.review.subject import Subject, Target

__all__ = ["ANCHOR", "IMAGE", "LINK", "check_links"]

LINK, ANCHOR, IMAGE, ALT, REFERENCE = "broken link", "broken anchor", "missing image", "image without text", "reference"
_REFERENCE = re.compile(r"(?<![\w\]`])\[([^\]\n]{1,80})\]\[([^\]\n]{0,80})\]")


def check_links(subject: Subject) -> Iterator[Finding]:
    """One finding for each target, at its first use."""
    document = subject.document
    if document is None:
        return
    targets = {target.href: target for target in subject.targets}
    uses: dict[str, list[Link]] = {}
    for link in document.links:
        uses.setdefault(link.href, []).append(link)
    for href, links in uses.items():
        found = _dead(subject.name, targets.get(href), links)
        if found is not None:
            yield found
    yield from _unnamed(subject.name, document)
    yield from _references(subject.name, document)


def _dead(path: str, target: Target | None, links: list[Link]) -> Finding | None:
    href, line, others = links[0].href, links[0].line, tuple(link.line for link in links[1:])
    if not href:
        title = "An image has no source" if links[0].is_image else f"The link {code(links[0].text)} has no target"
        return Finding(LINK, SHOULD, path, line, title, "a reader gets nowhere", "name the target", others=others)
    if target is None or target.state in ("there", "outside"):
        return None
    meant = f"{code(target.near)} may be meant" if target.near else "name one that is there, or leave it out"
    if target.state == "no anchor":
        why = "no heading and no anchor is called so: the reader lands at the top of the page"
        return Finding(ANCHOR, SHOULD, path, line, f"The anchor of {code(href)} is not there", why, meant, subject=href,
                       others=others)  # fmt: skip
    kind, title = (IMAGE, "image") if links[0].is_image else (LINK, "target of the link")
    why = "there is no such file in the workspace"
    return Finding(kind, SHOULD, path, line, f"The {title} {code(href)} is not there", why, meant, subject=href,
                   others=others)  # fmt: skip


def _unnamed(path: str, document: Document) -> Iterator[Finding]:
    for link in document.links:
        if link.is_image and not link.text.strip():
            why = "who cannot see it learns nothing of what it shows"
            fix = "say in a few words what it shows"
            title = f"The image {code(link.href)} has no text"
            yield Finding(ALT, SHOULD, path, link.line, title, why, fix, subject=link.href)


def _references(path: str, document: Document) -> Iterator[Finding]:
    """A reference that is defined has become a link: what is still text has no definition."""
    for passage in document.passages:
        for found in _REFERENCE.finditer(without_code(passage.text)):
            line = passage.line_at(found.start())
            name = found[2] or found[1]
            why = "it is shown with its brackets and leads nowhere"
            yield Finding(REFERENCE, SHOULD, path, line, f"The reference {code(f'[{name}]')} is not defined", why,
                          f"add {code(f'[{name}]: TARGET')}", subject=name)  # fmt: skip
