"""Templates: what may be saved, what becomes of their placeholders, and how their versions count."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import placeholders
from fleetlog.domain.errors import InvalidArgument, NotFound, Refused
from fleetlog.domain.template import Template, template_name
from fleetlog.domain.values import AgentSpec, FleetSpec, TemplateVariable
from tests.domain.given import Story, at, role

TOPIC = TemplateVariable("topic", "what to look into")
DEPTH = TemplateVariable("depth", default="shallow")


def fleet(*agents: AgentSpec, **more: Any) -> FleetSpec:
    return FleetSpec(agents=agents or (role("a"),), **more)


def asking(prompt: str, **more: Any) -> FleetSpec:
    return fleet(AgentSpec(role="reader", prompt=prompt, **more))


def story() -> Story:
    return Story(lambda: Template("template-job"), [])


# --- versions ------------------------------------------------------------------------------------


def test_saving_again_makes_the_next_version() -> None:
    job = story()
    assert job.when(c.SaveTemplate(fleet())) == [e.TemplateSaved(1, fleet())]
    assert job.when(c.SaveTemplate(asking("${topic}"), "reads", (TOPIC,))) == [
        e.TemplateSaved(2, asking("${topic}"), "reads", (TOPIC,))
    ]


def test_a_deleted_template_is_deleted_once_and_saved_anew_under_the_next_number() -> None:
    job = story()
    job.refuses(c.DeleteTemplate(), NotFound, 'Template "job" not found')
    job.when(c.SaveTemplate(fleet()))
    assert job.when(c.DeleteTemplate("old")) == [e.TemplateDeleted("old")]
    job.refuses(c.DeleteTemplate(), NotFound, 'Template "job" not found')
    assert job.when(c.SaveTemplate(fleet())) == [e.TemplateSaved(2, fleet())]
    assert not job.state.is_deleted


@pytest.mark.parametrize("name", ["a", "job-2_x", "_", "-", "0" * 64])
def test_a_name_is_of_lower_case_letters_digits_and_dashes(name: str) -> None:
    assert template_name(name) == name


@pytest.mark.parametrize("name", ["", "Job", "a b", "a.b", "ü", "x" * 65, "a\n", None, 7])
def test_any_other_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidArgument, match=r"^'name' must be 1 to 64 lower-case letters, digits, '-' or '_', got "):
        template_name(name)


# --- what may be saved ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "variables", "said"),
    [
        (FleetSpec(agents=()), (), "'agents' must name at least one agent"),
        (fleet(role("a"), role("a")), (), 'names "a" twice'),
        (asking("${topik}"), (TOPIC, DEPTH), "${topik}, which is not among the variables; did you mean 'topic'?"),
        (asking("echo ${HOME}"), (), "(known: none) (write $${HOME} for the text itself)"),
        (fleet(goal="${ x }"), (), "'goal' has the placeholder ${x}"),
        (fleet(role("a", "${b}")), (), "'agents[0].depends_on' has the placeholder ${b}"),
        (asking("x", skills=("${s}",)), (), "'agents[0].skills' has the placeholder ${s}"),
        (fleet(), (TOPIC, TOPIC), 'declares "topic" twice'),
        (fleet(), (TemplateVariable("Topic"),), "'variables': a name is 1 to 40 lower-case letters"),
        (fleet(), (TemplateVariable("t_"),), "not ending with '_'"),
        (asking("x", name="${depth}"), (TemplateVariable("depth", default="Two words"),), "'agents[0].name' must be"),
    ],
)
def test_what_no_fleet_can_be_made_of_is_refused(
    spec: FleetSpec, variables: tuple[TemplateVariable, ...], said: str
) -> None:
    story().refuses(c.SaveTemplate(spec, "", variables), InvalidArgument, said)


def test_names_and_dependencies_may_have_placeholders() -> None:
    area, other = TemplateVariable("area"), TemplateVariable("other_area")
    spec = fleet(role("read-${area}"), role("${other_area}", "read-${area}"))
    assert story().when(c.SaveTemplate(spec, "", (area, other)))


# --- values --------------------------------------------------------------------------------------


def test_every_text_of_a_fleet_and_its_agents_is_filled() -> None:
    agent = AgentSpec(
        role="${x} reader",
        prompt="read ${x} and ${ x }",
        name="r-${x}",
        agent="${x}-def",
        model="m-${x}",
        brain="b${x}",
        skills=("${x}", "y"),
        depends_on=("${x}",),
        result_schema={"const": "${x}"},
    )
    spec = FleetSpec(agents=(agent, role("${x}")), name="n ${x}", goal="g ${x}", workspace="/w/${x}")
    made = placeholders.filled(spec, {"x": "z"})
    assert (made.name, made.goal, made.workspace, made.agents[1].name) == ("n z", "g z", "/w/z", "z")
    assert made.agents[0] == AgentSpec(
        role="z reader",
        prompt="read z and z",
        name="r-z",
        agent="z-def",
        model="m-z",
        brain="bz",
        skills=("z", "y"),
        depends_on=("z",),
        result_schema={"const": "${x}"},
    )


def test_a_default_stands_for_a_value_that_is_left_out() -> None:
    assert placeholders.values_for((TOPIC, DEPTH), {"topic": "bees"}) == {"topic": "bees", "depth": "shallow"}
    assert placeholders.values_for((TOPIC, DEPTH), {"topic": "", "depth": "deep"}) == {"topic": "", "depth": "deep"}


def test_a_missing_value_is_refused_with_what_it_is_for() -> None:
    with pytest.raises(InvalidArgument, match=r"^'variables' lacks topic \(what to look into\)$"):
        placeholders.values_for((TOPIC, DEPTH), {})


def test_an_unknown_variable_is_refused_with_the_nearest_one() -> None:
    said = "names \"topci\", which the template does not have; did you mean 'topic'? (known: topic, depth)"
    with pytest.raises(InvalidArgument) as caught:
        placeholders.values_for((TOPIC, DEPTH), {"topci": "bees"})
    assert said in str(caught.value)


PIECES = st.lists(
    st.sampled_from(["${a}", "$${a}", "{", "}", "$", "a", "{a}", " ", '{"a": 1}']) | st.text(), max_size=9
)


@given(pieces=PIECES, value=st.text())
def test_what_is_filled_in_is_never_looked_through_again_and_all_else_stays(pieces: list[str], value: str) -> None:
    text = "\n".join(piece for piece in pieces if "${" not in piece.replace("${a}", ""))
    made = placeholders.filled(asking(text), {"a": value}).agents[0].prompt
    mark = "\x00escaped\x00"
    assert made == text.replace("$${a}", mark).replace("${a}", value).replace(mark, "${a}")


@given(value=st.recursive(st.none() | st.integers() | st.text("ab{}$"), lambda x: st.dictionaries(st.text("ab"), x)))
def test_json_in_a_prompt_needs_no_escape(value: object) -> None:
    text = json.dumps(value)
    if "${" not in text:
        assert placeholders.filled(asking(text), {}).agents[0].prompt == text


# --- a small model -------------------------------------------------------------------------------


class Versions(RuleBasedStateMachine):
    """A template against a list of what was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.template, self.saved, self.is_there = Template("template-job"), 0, False

    def _tell(self, command: c.TemplateCommand) -> bool:
        try:
            events = self.template.decide(command, at(0.0))
        except Refused:
            return False
        for event in events:
            self.template.evolve(event)
        return True

    @rule(prompt=st.sampled_from(["read", "${topic}", "${unknown}", ""]))
    def save(self, prompt: str) -> None:
        done = self._tell(c.SaveTemplate(asking(prompt), "", (TOPIC,)))
        assert done == (prompt in ("read", "${topic}"))
        self.saved, self.is_there = self.saved + done, self.is_there or done

    @rule()
    def delete(self) -> None:
        assert self._tell(c.DeleteTemplate()) == self.is_there
        self.is_there = False

    @invariant()
    def it_is_what_was_done(self) -> None:
        assert self.template.version == self.saved
        assert (self.template.exists and not self.template.is_deleted) == self.is_there


TestVersions = Versions.TestCase
