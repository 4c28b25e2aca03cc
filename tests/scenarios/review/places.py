"""Makes specs and changes with flaws that are known, and with traps: what looks like a flaw and is none.

Every flaw and every trap is drawn, worded and placed by a seed, so that no check can be made for one text.
"""

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.host import Runtime
from tests.crash.test_kill import git

Place = tuple[str, str, int]
"""(kind, path, line); for a section that is not there (kind, its name, 0)."""


class Point(msgspec.Struct, frozen=True):
    kind: str
    path: str
    line: int
    severity: str
    title: str
    became: str

    @property
    def place(self) -> Place:
        return self.kind, self.path if self.line else self.title.removeprefix("There is no section on "), self.line


class Reviewed(msgspec.Struct, frozen=True):
    """The moderator's result."""

    report: str
    verdict: str
    agreed: int
    disputed: int
    withdrawn: int
    points: tuple[Point, ...]

    @property
    def counting(self) -> set[Place]:
        """What a reader is told as a flaw."""
        return {point.place for point in self.points if point.became in ("agreed", "kept", "disputed")}


def reviewed(runtime: Runtime, spec: FleetSpec) -> Reviewed:
    """The fleet, run to its end."""
    fleet = runtime.spawn_fleet(spec)
    found = runtime.collect_results(fleet.fleet_id, wait_s=60)
    assert found.status == "complete", found
    output = next(result.output for result in found.results if result.name == "moderator")
    return msgspec.convert(output, Reviewed)


def secret(dice: random.Random, length: int = 24) -> str:
    """No word, no order: as a real key."""
    letters = string.ascii_letters + string.digits
    return "".join([dice.choice(string.ascii_lowercase), *dice.choices(letters, k=length - 3), dice.choice("QXZ"), "7"])


@dataclass
class Text:
    """A text that grows by lines; `!KIND!` at a line's end says that it has that flaw."""

    path: str
    lines: list[str] = field(default_factory=list)
    truth: set[Place] = field(default_factory=set)

    def add(self, *lines: str) -> None:
        for line in lines:
            said, _, kind = line.partition(" !")
            self.lines.append(said)
            if kind:
                self.truth.add((kind.rstrip("!"), self.path, len(self.lines)))


def make_spec(root: Path, seed: int) -> set[Place]:
    """`root/spec.md` and what it links to; gives its flaws."""
    dice = random.Random(seed)
    (root / "parts").mkdir(parents=True)
    (root / "parts" / "data.md").write_text("# Data\n\n## The tables\n\nText.\n")
    text = Text("spec.md")
    thing = dice.choice(["export", "invoice", "booking", "photo", "upload"])
    text.add(f"# Design: the {thing} service", "")
    sections = [_goals, _data, _limits, _interface, _secrets, _people, _testing, _rollout, _security]
    dropped = dice.choice([_rollout, _security, _testing])
    for section in sections:
        if section is not dropped:
            section(text, dice, thing)
    names = {_rollout: "rollout and rollback", _security: "security", _testing: "testing"}
    text.truth |= {("missing section", name, 0) for name in (names[dropped], "monitoring", "alternatives")}
    text.add("## Open questions", "", f"- TBD: who pays for the {thing}?", "- TODO ask the owners", "")
    (root / "spec.md").write_text("\n".join(text.lines))
    return text.truth


def _goals(text: Text, dice: random.Random, thing: str) -> None:
    term = "".join(dice.sample("BCDFGKLQVWXZ", 3))
    vague = dice.choice(["fast", "scalable", "robust", "efficient"])
    text.add("## Goals and non-goals", "", f"People get every {thing} they ask for. The old batch was fast.", "")
    text.add(f"The service must be {vague}. !no measure!", "")
    text.add("A page must load fast: the response takes at most 300 ms.", "")
    text.add(f"The {term} hands the {thing} over. !undefined term!", "")
    text.add("The Retry Queue Store (RQS) keeps what failed, and the RQS is emptied nightly over HTTP.", "")


def _data(text: Text, dice: random.Random, thing: str) -> None:
    name = dice.choice(["flow", "model", "plan"])
    text.add(
        "## Data", "", f"The [tables](parts/data.md#the-tables) hold each {thing}; see [goals](#goals-and-non-goals)."
    )
    text.add(f"More is in [the {name}](parts/{name}.md). !broken link!")
    text.add(f"The [{name} of the data](parts/data.md#the-{name}) is old. !broken anchor!", "")
    if dice.random() < 0.5:
        text.add(f"![the {name}](parts/{name}.png) !missing image!", "")
    text.add(
        "In code, `[x](nowhere.md)` and `a[0][1]` are no links, and [the web](https://example.org/x) is not read.", ""
    )
    text.add("```", "[not](a-link.md)", "```", "")


def _limits(text: Text, dice: random.Random, thing: str) -> None:
    noun = dice.choice(["session timeout", "request timeout", "retention period", "retry interval"])
    one, other = dice.sample([5, 15, 20, 45, 90], 2)
    unit = dice.choice(["seconds", "minutes", "hours"])
    text.add("## Limits", "", f"The {thing} {noun} is {one} {unit}. !contradiction!", "")
    text.add(
        "| setting | value |",
        "| --- | --- |",
        f"| {thing.title()} {noun} | {other} {unit} |",
        "| Queue delay | 2 min |",
        "",
    )
    text.add(
        "The queue delay is 120 seconds. A name has at least 3 characters; the maximum name length is 64 characters."
    )
    text.add(
        "The name length is at least 3 characters. The mail timeout is 30 seconds, the print timeout is 60 seconds.", ""
    )
    number, listed = dice.choice([("Three", 4), ("Four", 3), ("Two", 3)])
    text.add(f"{number} roles may do it: !wrong count!", "", *(f"- role {n}" for n in range(listed)), "")
    text.add(
        "Two kinds of file are kept:",
        "",
        "- text",
        "- pictures",
        "",
        "At least two of the hosts answer:",
        "",
        "- one",
        "",
    )


def _interface(text: Text, dice: random.Random, thing: str) -> None:
    text.add(
        "## Interface", "", f"If the {thing} fails, the page says so. As soon as it is there, the page shows it.", ""
    )
    text.add(dice.choice(["What is shown meanwhile: TBD. !undecided!", "The colour is to be decided. !undecided!"]), "")
    text.add("The list may be called `TODO` in the code.", "")


def _secrets(text: Text, dice: random.Random, thing: str) -> None:
    text.add("## Configuration", "", "```yaml")
    text.add(
        dice.choice([f"api_key: {secret(dice)} !secret!", f"url: postgres://app:{secret(dice, 14)}@db/x !secret!"])
    )
    text.add("password: ${DB_PASSWORD}", "token: your-token-here", "secret_key: <from the vault>", "```", "")
    text.add("AWS prints AKIAIOSFODNN7EXAMPLE in its manual. The digest is 9f86d081884c7d659a2feaa0c55ad015.", "")


def _people(text: Text, dice: random.Random, thing: str) -> None:
    name = dice.choice(["petra.wolff", "j.ortega", "li.na84"])
    text.add("## Messages", "", f"A mail goes to {name}@{dice.choice(['gmx.net', 'orange.fr'])} !personal data!")
    text.add("or to ann@example.org, support@shop.io, +1 555 0100 and the card 4111 1111 1111 1111.", "")


def _testing(text: Text, dice: random.Random, thing: str) -> None:
    text.add("## Testing", "", f"Each goal has a check against ten thousand of each {thing}.", "")


def _rollout(text: Text, dice: random.Random, thing: str) -> None:
    text.add("## Rollout", "", "First one in a hundred, then everybody; one switch takes it back.", "")


def _security(text: Text, dice: random.Random, thing: str) -> None:
    text.add("## Security", "", f"Only its owner reads a {thing}. TLS everywhere, and CSRF tokens in forms.", "")


BEFORE = {
    "app/store.py": "import json\n\n\ndef load(path):\n    return json.load(open(path))\n",
    "web/list.tsx": "export const List = () => <ul />;\n",
    "tests/test_store.py": "from app.store import load\n\n\ndef test_loads(tmp_path):\n"
    "    assert load(tmp_path) == {}\n\n\ndef test_an_empty_file_is_refused(tmp_path):\n"
    "    assert load(tmp_path) is None\n",
}  # fmt: skip

PYTHON: Sequence[tuple[str, str]] = (
    ("code injection", "    value = eval(given)"),
    ("shell injection", "    subprocess.run(f'convert {given}', shell=True)"),
    ("shell injection", "    os.system('convert ' + given)"),
    ("unsafe deserialization", "    value = pickle.loads(given)"),
    ("unsafe deserialization", "    value = yaml.load(given)"),
    ("SQL injection", "    rows = db.execute(f\"SELECT id FROM users WHERE name = '{given}'\")"),
    ("SQL injection", '    rows = db.execute("DELETE FROM users WHERE id = " + given)'),
    ("TLS not verified", "    answer = requests.get(given, verify=False)"),
    ("guessable secret", "    token = ''.join(random.choices(letters, k=20))"),
    ("debugger left in", "    breakpoint()"),
    ("swallowed error", "    except:"),
)
WEB: Sequence[tuple[str, str]] = (
    ("raw HTML", "  node.innerHTML = title;"),
    ("raw HTML", "  return <p dangerouslySetInnerHTML={{ __html: text }} />;"),
    ("no text for an image", "  return <img src={picture} />;"),
    ("not for the keyboard", "  return <div className='row' onClick={open}>more</div>;"),
    ("field without a name", "  return <input type='text' value={name} onChange={keep} />;"),
    ("debug output", "  console.log(user);"),
    ("token within reach of scripts", "  localStorage.setItem('token', answer.token);"),
    ("code injection", "  return eval(text);"),
)
HARMLESS_PYTHON = (
    "    # never eval(given), never shell=True",
    '    note = "pickle.loads(given) is refused, and so is verify=False"',
    "    value = ast.literal_eval(given)",
    "    value = yaml.safe_load(given)",
    "    value = yaml.load(given, Loader=yaml.SafeLoader)",
    '    rows = db.execute("SELECT id FROM users WHERE name = ?", (given,))',
    "    model.eval()",
    "    subprocess.run(['convert', given], check=True)",
    "    os.system('sync')",
    "    pattern = re.compile(given)",
    "    token = secrets.token_hex(16)",
    "    except ValueError:",
)
HARMLESS_WEB = (
    "  node.innerHTML = DOMPurify.sanitize(title);",
    "  node.innerHTML = '';",
    "  return <img src={picture} alt='' />;",
    "  return <img {...rest} src={picture} alt={title} />;",
    "  // node.innerHTML = title",
    "  return <button onClick={open}>more</button>;",
    "  return <input aria-label='Name' value={name} onChange={keep} />;",
    "  if (node.innerHTML === '') stop();",
)


def make_change(root: Path, seed: int) -> set[Place]:
    """A repository whose last commit has flaws; gives them. What stood there before has flaws too."""
    dice = random.Random(seed)
    for path, content in BEFORE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content + "# eval(before)\n" * path.endswith(".py"))
    (root / "app" / "old.py").write_text("def old(given):\n    return eval(given)\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "before")
    truth: set[Place] = set()
    for path, flaws, harmless in (("app/fresh.py", PYTHON, HARMLESS_PYTHON), ("web/fresh.tsx", WEB, HARMLESS_WEB)):
        text = Text(path)
        text.add("def run(given):" if path.endswith(".py") else "export function Fresh() {")
        chosen = [f"{line} !{kind}!" for kind, line in dice.sample(flaws, 5)]
        for line in dice.sample([*chosen, *harmless], len(chosen) + len(harmless)):
            text.add(line)
        (root / path).write_text("\n".join(text.lines) + "\n")
        truth |= text.truth
    test = (root / "tests" / "test_store.py").read_text()
    (root / "tests" / "test_store.py").write_text(
        test.partition("def test_an_empty_file")[0] + "\n\nimport os\nos.system(f'rm {x}')\n"
    )
    truth.add(("test removed", "tests/test_store.py", 8))
    with (root / "app" / "old.py").open("a") as file:
        file.write(f"\n\nKEY = '{secret(dice)}'\napi_key = '{secret(dice)}'\n")
    truth.add(("secret", "app/old.py", 6))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "the change", number=1)
    return truth
