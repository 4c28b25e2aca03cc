"""What every log must be after any number of crashes, and what it says of model calls and effects."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleetlog.domain import events as e
from fleetlog.runtime import audit, codec
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.store import open_store
from tests.fakes.messages_api.stats import Call

__all__ = ["check_effects", "check_log", "check_no_recorded_call_was_repeated", "facts_of", "recorded_calls"]


def facts_of(directory: Path) -> Iterator[tuple[str, int, e.Event]]:
    """(stream, version, event) of the whole log, in its order."""
    with open_store(directory / "log.db") as store, store.subscribe() as log:
        while batch := log.next_batch(1_000, 0):
            for stored in batch:
                fact = codec.decode(stored.topic, stored.state).body.event
                yield str(stored.originator_id), stored.originator_version, fact


def check_log(directory: Path) -> None:
    """No gap, every chain whole, every step recorded once, every message handled at most once."""
    with open_store(directory / "log.db") as store:
        assert audit.verify(store).findings == ()
    once: Counter[tuple[str, str, object]] = Counter()
    versions: Counter[str] = Counter()
    for stream_id, version, fact in facts_of(directory):
        versions[stream_id] += 1
        assert version == versions[stream_id], f"{stream_id} has a gap before {version}"
        once.update(_handled(stream_id, fact))
    assert {what: count for what, count in once.items() if count > 1} == {}


def _handled(stream_id: str, fact: e.Event) -> list[tuple[str, str, object]]:
    """What may happen only once, if this event says that it happened."""
    match fact:
        case e.StepCompleted() | e.MessageSent():
            return [(stream_id, "step", fact.index)]
        case e.MessageSeen():
            return [(stream_id, "seen", fact.message_id)]
        case e.MessageDelivered():
            return [(stream_id, "delivered", fact.message.id)]
        case _:
            return []


def recorded_calls(directory: Path) -> dict[tuple[str, int], int]:
    """(agent, step) -> the number that the fake server gave the request whose reply is recorded there."""
    artifacts = ArtifactStore(directory / "artifacts")
    found = {}
    for stream_id, _, fact in facts_of(directory):
        if isinstance(fact, e.StepCompleted) and fact.usage is not None:
            reply = artifacts.load_value(fact.value)
            assert isinstance(reply, dict)
            found[stream_id, fact.index] = int(reply["request_id"].removeprefix("req_"))
    return found


def check_no_recorded_call_was_repeated(
    recorded: dict[tuple[str, int], int], calls: Sequence[Call], since: int = 0
) -> None:
    """Of each prompt whose reply is recorded, that reply is of the last request there was. `calls` are all requests of
    the server, which numbers them from 1; the first `since` are another fleet's, whose first prompts may be the same.
    """
    last = {call.digest: number for number, call in enumerate(calls, 1) if number > since}
    assert len(set(recorded.values())) == len(recorded)
    repeated = {step: (number, last[calls[number - 1].digest]) for step, number in recorded.items()}
    assert {step: numbers for step, numbers in repeated.items() if numbers[0] != numbers[1]} == {}


def check_effects(directory: Path) -> set[tuple[str, int]]:
    """Every effectful step was started once, and has ended once or is in doubt for ever; gives those in doubt."""
    started: Counter[tuple[str, int]] = Counter()
    ended: Counter[tuple[str, int]] = Counter()
    doubted: Counter[tuple[str, int]] = Counter()
    for stream_id, _, fact in facts_of(directory):
        match fact:
            case e.StepStarted():
                started[stream_id, fact.index] += 1
            case e.StepDoubted():
                doubted[stream_id, fact.index] += 1
            case e.StepCompleted(effect="effectful") | e.StepFailed(effect="effectful"):
                ended[stream_id, fact.index] += 1
    assert started == ended + doubted
    assert set(started.values()) <= {1}
    return set(doubted)
