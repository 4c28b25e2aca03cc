"""The search for the commit that broke a test, through a line of commits of which only looks tell. Pure.

Commits are numbered from the newest, 0, which is known to be bad. A look says `bad`, `good`, `absent` (what is tested
is not there yet) or `unknown`. What is found is the oldest bad commit behind which the test does not fail: if it passed
there, something broke it; if it was absent there, it was born broken.
"""

from collections.abc import Callable

from msgspec import Struct

__all__ = ["Search", "search"]

Look = Callable[[int], str]


class Search(Struct, frozen=True):
    """`before` is what is behind `bad`, the oldest bad commit that was found: `good`, `absent`, or `bad` where the test
    fails as far back as was looked. Between `bad` and `behind` no commit could be judged."""

    bad: int
    behind: int
    before: str

    @property
    def is_exact(self) -> bool:
        """It is one commit."""
        return self.behind == self.bad + 1


def search(count: int, look: Look, known: int | None = None) -> Search:
    """Search `count` commits; those behind number `known`, at which it is said to have passed, are left alone."""
    oldest = count - 1 if known is None else known
    bad, behind, before = _outwards(oldest, look, known)
    if before == "bad":
        return Search(bad, bad, before)
    return _halved(bad, behind, before, look)


def _outwards(oldest: int, look: Look, known: int | None) -> tuple[int, int, str]:
    """(newest known bad, a commit behind it that is not, what that is); in steps that double, but to the known one."""
    bad, stride = 0, 1
    at = oldest if known is not None else min(1, oldest)
    while at > bad:
        seen = look(at)
        if seen in ("good", "absent"):
            return bad, at, seen
        if seen == "bad":
            bad = at
        if at == oldest and known is not None and seen == "unknown":
            return _outwards(oldest, look, None)
        if at == oldest:
            break
        stride *= 2
        at = min(oldest, at + stride)
    return bad, bad, "bad"


def _halved(bad: int, behind: int, before: str, look: Look) -> Search:
    while behind - bad > 1:
        judged = next(((at, seen) for at in _from_the_middle(bad, behind) if (seen := look(at)) != "unknown"), None)
        if judged is None:
            break
        at, seen = judged
        if seen == "bad":
            bad = at
        else:
            behind, before = at, seen
    return Search(bad, behind, before)


def _from_the_middle(bad: int, behind: int) -> list[int]:
    """The commits between, those in the middle first, at most so many that the search still ends."""
    middle = (bad + behind) // 2
    return sorted(range(bad + 1, behind), key=lambda at: abs(at - middle))[:5]
