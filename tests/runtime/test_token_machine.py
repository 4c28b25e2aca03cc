"""Tokens as a random life: issued, revoked, expired, misused, restarted; against a model that fits on a page."""

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fleetlog.domain.access import FORGERY_EVERY_MS, MAX_FORGERIES
from fleetlog.domain.errors import Forbidden, Unauthenticated
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import TokenReply

MAILBOXES = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="wait") for role in ("ann", "bob")), keep_open=True)


class TokenMachine(RuleBasedStateMachine):
    """`ends` has for each token that was issued why it does not count; `recorded` the moments at which each of its
    forgeries was."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        self.issued: dict[str, TokenReply] = {}
        self.revoked: set[str] = set()
        self.recorded: dict[str, list[tuple[int, str]]] = {}
        self.keys = 0
        self.runtime = self.open()

    def open(self) -> Runtime:
        return Runtime.open(Path(self.folder.name) / "d", clock=self.clock, config=RuntimeConfig(linger_s=0))

    def teardown(self) -> None:
        self.runtime.close()
        for path in Path(self.folder.name).rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not [one.token_id for one in self.issued.values() if one.token.encode() in content], path
        self.folder.cleanup()

    @property
    def now_ms(self) -> int:
        return self.clock.now().wall_ms

    @initialize()
    def spawn(self) -> None:
        self.ann, self.bob = self.runtime.spawn_fleet(MAILBOXES).agent_ids

    # --- what may happen -------------------------------------------------------------------------

    @rule(target=tokens, scope=st.sampled_from(["operator", "read", "agent"]), lives_s=st.none() | st.integers(1, 200))
    def issue(self, scope: Any, lives_s: int | None) -> str:
        self.keys += 1
        given: dict[str, Any] = {"agent_id": self.ann if scope == "agent" else "", "idempotency_key": f"k{self.keys}"}
        given["expires_at"] = None if lives_s is None else self.now_ms + lives_s * 1_000
        reply = self.runtime.issue_token(scope, **given)
        again = self.runtime.issue_token(scope, **given)
        assert (again.token_id, again.token) == (reply.token_id, "")
        self.issued[reply.token_id] = reply
        self.recorded[reply.token_id] = []
        return reply.token_id

    @rule(token_id=consumes(tokens), twice=st.booleans())
    def revoke(self, token_id: str, twice: bool) -> None:
        for _ in range(1 + twice):
            assert self.runtime.revoke_token(token_id).token_id == token_id
        self.revoked.add(token_id)

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.runtime.close()
        self.runtime = self.open()

    @rule(token_id=tokens, claims=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30))
    def pretend(self, token_id: str, claims: list[str]) -> None:
        token = self.issued[token_id]
        if self.why_over(token) or token.scope != "agent":
            return
        door = Door(self.runtime, self.runtime.authenticate(token.token))
        for number, claim in enumerate(claims):
            claimed = f"agent-{claim}{number % 5}"
            with pytest.raises(Forbidden):
                door.ack(claimed, "message-1")
            self.expect_forgery(self.recorded[token_id], claimed)

    def expect_forgery(self, recorded: list[tuple[int, str]], claimed: str) -> None:
        recent = [one for at_ms, one in recorded if self.now_ms - at_ms < FORGERY_EVERY_MS]
        if claimed not in recent and len(recent) < MAX_FORGERIES:
            recorded.append((self.now_ms, claimed))

    # --- what always holds -----------------------------------------------------------------------

    def why_over(self, token: TokenReply) -> str:
        if token.token_id in self.revoked:
            return "was revoked"
        return "has expired" if token.expires_at is not None and token.expires_at <= self.now_ms else ""

    @invariant()
    def each_token_counts_or_does_not(self) -> None:
        for token in self.issued.values():
            if why := self.why_over(token):
                with pytest.raises(Unauthenticated, match=f"{token.token_id} {why}"):
                    self.runtime.authenticate(token.token)
            else:
                name = token.agent_id or token.token_id
                expected = Principal(name, token.scope, token.agent_id, token.token_id)
                assert self.runtime.authenticate(token.token) == expected

    @invariant()
    def the_list_says_the_same(self) -> None:
        rows = {row.token_id: row for row in self.runtime.list_tokens().tokens}
        assert rows.keys() == self.issued.keys()
        for token_id, row in rows.items():
            assert (row.revoked_at is not None) == (token_id in self.revoked)
            assert row.expires_at == self.issued[token_id].expires_at
            assert row.forgeries == len(self.recorded[token_id])


def test_tokens_are_what_the_model_says() -> None:
    run_state_machine_as_test(
        TokenMachine,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
