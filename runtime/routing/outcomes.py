"""How reliable an agent is at some kind of work, from recorded successes and failures."""

from typing import NamedTuple

__all__ = ["Record", "reliability", "weight"]

PRIOR_STRENGTH = 2.0
"""What an agent's peers have shown counts as so many outcomes of its own."""


class Record(NamedTuple):
    """How often it went well, and how often not."""

    successes: int = 0
    failures: int = 0

    @property
    def total(self) -> int:
        return self.successes + self.failures

    def plus(self, other: "Record") -> "Record":
        """The sum."""
        return Record(self.successes + other.successes, self.failures + other.failures)

    def minus(self, other: "Record") -> "Record":
        """The difference."""
        return Record(self.successes - other.successes, self.failures - other.failures)


def reliability(own: Record, peers: Record) -> float:
    """The chance that the agent's next piece of this work goes well, above 0 and below 1; 0.5 when nothing is known.

    The mean of a Beta posterior, (prior successes + successes) / (prior outcomes + outcomes), after Gelman et al.,
    "Bayesian Data Analysis", 3rd edition, section 2.4. The prior is worth `PRIOR_STRENGTH` outcomes, at the rate of the
    agent's peers in the same role; theirs is found in the same way from a uniform prior (Laplace's rule of
    succession). So a new agent is judged by its role, and soon by what it does itself.
    """
    expected = (peers.successes + 1.0) / (peers.total + 2.0)
    return (own.successes + PRIOR_STRENGTH * expected) / (own.total + PRIOR_STRENGTH)


def weight(own: Record, peers: Record) -> float:
    """What a score is multiplied with: from 0.5 to 1.5, and 1 when nothing is known."""
    return 0.5 + reliability(own, peers)
