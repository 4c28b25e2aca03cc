"""Steps that cost money: what a call has used is in the same event as what it returned."""

__all__ = ["Uncharged"]


class Uncharged(Exception):
    """Raised by a paid call that has certainly cost nothing: it was refused, or never arrived. Nothing is recorded, and
    the step may be made again."""
