"""What a runbooks file says: watches, schedules, runbooks, limits. Plain values; `loading.py` reads and checks them."""

from typing import Literal

from msgspec import Struct

__all__ = ["Action", "Check", "Kind", "Limits", "People", "Plan", "Runbook", "Schedule", "Severity", "When"]

Kind = Literal["http", "tcp", "disk", "process", "sql"]
Severity = Literal["info", "warning", "high", "critical"]


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One look at the outside world. A `watch` is one that is made every `every_s` seconds; a `check` (`every_s` 0)
    is made only where a runbook or schedule names it. It counts as failing after `fails_after` failures in a row, and
    as well again after `passes_after` passes. Which of the other fields it needs, and which it may have, its `kind`
    says.
    """

    name: str
    kind: Kind
    every_s: float = 0.0
    timeout_s: float = 5.0
    fails_after: int = 2
    passes_after: int = 2
    skills: tuple[str, ...] = ()
    severity: Severity = "high"
    url: str = ""
    status: tuple[int, ...] = ()
    contains: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""
    min_free_mb: float | None = None
    max_used_percent: float | None = None
    max_size_mb: float | None = None
    command: str = ""
    pid_file: str = ""
    query: str = ""
    equals: str | None = None
    at_least: float | None = None
    at_most: float | None = None


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A cron line: when it is due, its runbook is gone through, or its checks are made. `zone` is an IANA time zone."""

    name: str
    cron: str
    zone: str
    runbook: str = ""
    checks: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The alerts a runbook is for: those of these watches; those whose text matches (a regular expression, any case);
    those that have all of these labels (with `*`)."""

    watches: tuple[str, ...] = ()
    text: str = ""
    labels: dict[str, str] = {}


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that may be run: exactly this, without a shell. After it, `verify` has `settle_s` seconds to pass; if
    it does not, the action is made `retries` times again."""

    command: tuple[str, ...]
    timeout_s: float = 60.0
    needs_approval: bool = False
    retries: int = 0
    settle_s: float = 10.0


class Runbook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What heals. It fits when its `verify` fails (one of those checks), all of `if_fails` fail and all of
    `if_passes` pass. Its actions are made in order, the smallest first, until `verify` passes."""

    name: str
    when: When
    action: tuple[Action, ...]
    skills: tuple[str, ...]
    about: str = ""
    if_fails: tuple[str, ...] = ()
    if_passes: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()

    @property
    def most_actions(self) -> int:
        """So many actions it makes at most."""
        return sum(1 + action.retries for action in self.action)


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`cooldown_s` after a fix the same thing is not healed again, but shown to a person."""

    actions_per_hour: int = 12
    cooldown_s: float = 600.0


class People(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happens while a person is asked; see `HelpPolicy`."""

    remind_after_s: float | None = 3600.0
    escalate_after_s: float | None = None
    escalate_to: str = ""
    expire_after_s: float | None = None


class Plan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file."""

    watch: tuple[Check, ...]
    check: tuple[Check, ...] = ()
    schedule: tuple[Schedule, ...] = ()
    runbook: tuple[Runbook, ...] = ()
    limits: Limits = Limits()
    people: People = People()

    @property
    def checks(self) -> dict[str, Check]:
        """Watches and checks by name."""
        return {one.name: one for one in (*self.watch, *self.check)}

    @property
    def runbooks(self) -> dict[str, Runbook]:
        """The runbooks by name."""
        return {one.name: one for one in self.runbook}
