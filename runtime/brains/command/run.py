"""One run of a program for an agent, inside its effectful step: from the agent's spec to what is recorded of it."""

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from fleetlog.domain import commands as c
from fleetlog.domain.command_spec import CommandSpec
from fleetlog.domain.errors import InvalidArgument, McpServerFault
from fleetlog.domain.values import Artifact, Usage
from fleetlog.runtime.brains.command.answers import Answer, Reader, reader_for
from fleetlog.runtime.brains.command.child import Bounds, ChildEnd, ChildJob, run_child
from fleetlog.runtime.brains.command.lines import CommandForm, filled, form_of, mcp_file, mcp_toml
from fleetlog.runtime.brains.command.mesh import MeshAccess, MeshGrant
from fleetlog.runtime.brains.command.redaction import Redactor
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.run import Run
from fleetlog.runtime.tools.environment import command_environment
from fleetlog.runtime.tools.mcp_client.environment import Filled
from fleetlog.runtime.tools.mcp_client.environment import filled as filled_from_environment
from fleetlog.runtime.tools.mcp_client.lines import Tail

__all__ = ["Outcome", "ProgramRun"]

ALWAYS = 2**62
"""The ordinal of a report that is never a repetition: what a program does is reported while it does it."""
PROGRESS_EVERY_S = 2.0
INLINE_BYTES = 65_536
"""Output above this is also kept whole, as an artifact."""
STDERR_BYTES = 4_000
_HOMES = (
    "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME",
    "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME",
)  # fmt: skip
_NO_SERVERS = '{"mcpServers": {}}'


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What is recorded of a run that has ended. `error` says why it did not succeed; `paused`: it was stopped, because
    its agent was paused. `artifact` is all that it printed, if that was much (`printed_bytes`; what is beyond the
    spec's `max_output_bytes` is gone)."""

    run: int
    output: Any = None
    error: str = ""
    paused: bool = False
    session: str = ""
    resumed: bool = False
    has_mesh: bool = False
    usage: Usage | None = None
    exit_code: int = 0
    duration_s: float = 0.0
    printed_bytes: int = 0
    artifact: Artifact | None = None


class _Watch:
    """The run, and whether its agent is paused, as the child's supervision sees it."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def is_stopped(self) -> bool:
        return self._run.is_stopped

    @property
    def is_held(self) -> bool:
        return self._run.is_paused or self._run.link.is_held()


class ProgramRun:
    """The `number`-th run of an agent's program, which is its step `index`."""

    def __init__(self, ctx: Context, folder: Callable[[], Path], mesh: MeshAccess | None, number: int) -> None:
        spec = ctx.spec.command
        if spec is None:
            raise InvalidArgument("'command' is required for the brain 'command'")
        self._ctx, self._folder, self._mesh, self._number = ctx, folder, mesh, number
        self._spec: CommandSpec = spec
        self._form: CommandForm = form_of(spec)
        self._run: Run = ctx.tool_run
        self._index = ctx.step_count

    def make(self, prompt: Callable[[bool], str], session: str) -> Outcome:
        """Run it; `prompt` is given whether there is a mesh to speak of. Ends the whole of it however this returns."""
        with self._granted() as grant, tempfile.TemporaryDirectory(dir=self._folder(), prefix="run-") as scratch:
            own = self._own_environment()
            job = self._job(prompt(grant is not None), session, grant, Path(scratch), own.values)
            with contextlib.closing(_Heard(self, own.secrets | _tokens(grant))) as heard:
                with self._run.link.lend_place():
                    end = run_child(job, _Watch(self._run), heard)
                self._run.check()
                return heard.outcome(end, session, has_mesh=grant is not None)

    @contextlib.contextmanager
    def _granted(self) -> Iterator[MeshGrant | None]:
        if self._mesh is None:
            yield None
            return
        grant = self._mesh.grant(self._ctx.agent_id)
        try:
            yield grant
        finally:
            self._mesh.revoke(grant)

    # --- what is run -------------------------------------------------------------------------

    def _own_environment(self) -> Filled:
        try:
            return filled_from_environment("env", self._spec.env, os.environ)
        except McpServerFault as error:
            raise InvalidArgument(f"'command': {error}") from error

    def _job(self, prompt: str, session: str, grant: MeshGrant | None, scratch: Path, own: dict[str, str]) -> ChildJob:
        config = grant.mcp_config_json if grant else _NO_SERVERS
        path = _written(scratch / "mcp.json", mcp_file(config, self._form.mcp_format))
        toml, variables = mcp_toml(config)
        fill = {
            "prompt": prompt,
            "model": self._ctx.spec.model,
            "session": session,
            "workspace": self._ctx.workspace or "",
            "mcp_config": str(path),
            "mcp_toml": toml,
        }
        environment = command_environment(os.environ, _HOMES) | own
        environment |= {"FLEETLOG_AGENT_ID": self._ctx.agent_id, "FLEETLOG_FLEET_ID": self._ctx.fleet_id}
        if grant is not None:
            environment |= variables if self._form.mcp_format == "codex" else {}
            environment |= grant.env | {name: filled(word, fill) for name, word in self._form.mesh_env.items()}
        return ChildJob(
            self._form.words(fill, has_mesh=grant is not None),
            self._ctx.workspace or str(scratch),
            environment,
            prompt.encode() if self._spec.stdin == "prompt" else b"",
            Bounds(self._spec.timeout_s, self._form.idle_timeout_s),
        )

    # --- what is said of it, while it runs ---------------------------------------------------

    @property
    def reader(self) -> Reader:
        """A fresh one for its output."""
        return reader_for(self._form.output)

    def note_session(self, session: str) -> None:
        """Durable when this returns: whatever happens to the run now, another can go on with its session."""
        self._run.record(c.NoteStep(self._index, session))

    def report(self, said: str) -> None:
        """What it is doing."""
        self._run.record(c.ReportProgress(said, None, ALWAYS))

    def keep(self, output: IO[bytes]) -> Artifact:
        """Its output, whole."""
        return self._run.artifacts.put_file(output)

    @property
    def bounds(self) -> CommandSpec:
        """What the spec says of it."""
        return self._spec

    @property
    def idle_timeout_s(self) -> float | None:
        """After how much silence it is ended."""
        return self._form.idle_timeout_s

    @property
    def number(self) -> int:
        """Its number among its agent's runs."""
        return self._number


class _Heard:
    """What a run has written: read, kept, and without secrets."""

    def __init__(self, program: ProgramRun, secrets: Mapping[str, str]) -> None:
        self._program = program
        self._reader = program.reader
        self._out, self._err = Redactor(secrets), Redactor(secrets)
        self._tail = Tail(STDERR_BYTES)
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=INLINE_BYTES)  # noqa: SIM115 see close
        self._size = 0
        self._session = self._said = ""
        self._report_at = 0.0

    def close(self) -> None:
        """Nothing is kept of it but what is recorded."""
        self._spool.close()

    def out(self, data: bytes) -> None:
        """A piece of stdout."""
        self._take(self._out.feed(data))

    def err(self, data: bytes) -> None:
        """A piece of stderr."""
        self._tail.add(self._err.feed(data))

    def _take(self, data: bytes) -> None:
        if not data:
            return
        room = self._program.bounds.max_output_bytes - self._size
        self._spool.write(data[: max(0, room)])
        self._size += len(data)
        self._reader.feed(data)
        if self._reader.session != self._session:
            self._session = self._reader.session
            self._program.note_session(self._session)

    def tick(self) -> None:
        """Say what it is doing: not too often, and of what came in between only the last."""
        now = time.monotonic()
        if self._reader.said != self._said and now >= self._report_at:
            self._said, self._report_at = self._reader.said, now + PROGRESS_EVERY_S
            self._program.report(self._said)

    def outcome(self, end: ChildEnd, session: str, *, has_mesh: bool) -> Outcome:
        """What is to be recorded."""
        self._take(self._out.rest())
        self._tail.add(self._err.rest())
        answer = _storable(self._reader.answer())
        artifact = self._program.keep(self._spool) if self._size > INLINE_BYTES else None
        paused = end.cause == "paused"
        error = "" if paused else self._error(end, answer)
        return Outcome(
            run=self._program.number,
            output=None if error or paused else answer.output,
            error=error,
            paused=paused,
            session=self._reader.session or session,
            resumed=bool(session),
            has_mesh=has_mesh,
            usage=self._reader.usage,
            exit_code=end.exit_code,
            duration_s=round(end.duration_s, 3),
            printed_bytes=self._size,
            artifact=artifact,
        )

    def _error(self, end: ChildEnd, answer: Answer) -> str:
        """Why it is no success; with the end of what it wrote to stderr."""
        said, tail = self._ending(end), self._tail.text()
        if end.cause == "ended" and answer.error:
            said = f"{said}: {answer.error}" if said else answer.error
        return f"{said}; the end of its stderr: {tail}" if said and tail else said

    def _ending(self, end: ChildEnd) -> str:
        """How it ended, if not well."""
        if end.cause == "time":
            return f"it had not ended after {self._program.bounds.timeout_s:g} seconds"
        if end.cause == "idle":
            return f"it had written nothing for {self._program.idle_timeout_s:g} seconds"
        if end.exit_code < 0:
            return f"it was killed by signal {-end.exit_code}"
        return f"it ended with exit code {end.exit_code}" if end.exit_code else ""


def _storable(answer: Answer) -> Answer:
    """JSON knows more than the log can hold: numbers beyond 64 bits, halves of characters."""
    try:
        msgspec.msgpack.encode(answer.output)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return Answer(error=f"its result cannot be stored: {error}")
    return answer


def _tokens(grant: MeshGrant | None) -> dict[str, str]:
    """The way in is a secret, too."""
    return {value: f"${{{name}}}" for name, value in (grant.env if grant else {}).items() if "TOKEN" in name}


def _written(path: Path, text: str) -> Path:
    """A file that nobody else may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def scratch_folder(directory: Path | None) -> Path:
    """Where runs have their files: in the runtime's directory, without those of runs that were cut off."""
    if directory is None:
        return Path(tempfile.mkdtemp(prefix=f"fleetlog-runs-{secrets.token_hex(4)}-"))
    folder = directory / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
