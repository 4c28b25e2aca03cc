"""What a migration says of a file: what was converted, and what was left, and why. Values alone."""

from msgspec import Struct

__all__ = ["Conversion", "Left"]


class Left(Struct, frozen=True):
    """What was not converted, and why: for a person. `line` counts from 1."""

    line: int
    what: str
    why: str


class Conversion(Struct, frozen=True):
    """A file's source after the codemod. `renamed` maps the old names of converted classes to the new ones;
    `left` are classes that stay as they were."""

    source: str
    renamed: dict[str, str] = {}
    left: tuple[Left, ...] = ()

    @property
    def is_changed(self) -> bool:
        """A class was converted."""
        return bool(self.renamed)
