"""fleetlog.toml: file, environment, flags, in that order; what is wrong is said with its line."""

from pathlib import Path

import msgspec
import pytest

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.configuration import (
    FILE,
    VARIABLES,
    Settings,
    find_file,
    flag_defaults,
    load_settings,
    template_text,
)

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in (*VARIABLES.values(), "FLEETLOG_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / FILE
    path.write_text(text)
    return path


def names() -> set[str]:
    """Every setting, by its dotted name."""
    found = set()
    for name, value in msgspec.to_builtins(Settings()).items():
        found |= {f"{name}.{inner}" for inner in value} if isinstance(value, dict) else {name}
    return found


def test_the_file_the_environment_and_the_defaults_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 'brain = "claude"\nworkers = 4\n[server]\nport = 8000\n')
    monkeypatch.setenv("FLEETLOG_WORKERS", "8")
    monkeypatch.setenv("FLEETLOG_GRANTS", "write, run:pytest")
    monkeypatch.setenv("FLEETLOG_REQUIRE_TOKEN", "yes")
    settings = load_settings()
    assert (settings.brain, settings.workers, settings.server.port) == ("claude", 8, 8000)
    assert settings.permissions.grants == ("write", "run:pytest")
    assert settings.server.require_token
    assert flag_defaults(settings) == {"brain": "claude", "port": 8000, "require_token": True}
    assert flag_defaults(Settings()) == {}


def test_the_nearest_file_counts_up_to_the_root_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = written(tmp_path, "")
    inner = tmp_path / "repository" / "deep" / "down"
    inner.mkdir(parents=True)
    assert find_file(inner) == outer
    (tmp_path / "repository" / ".git").mkdir()
    assert find_file(inner) is None
    nearest = written(tmp_path / "repository", "")
    assert find_file(inner) == nearest
    monkeypatch.setenv("FLEETLOG_CONFIG", str(outer))
    assert find_file(inner) == outer
    monkeypatch.setenv("FLEETLOG_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(InvalidArgument, match=r"'FLEETLOG_CONFIG' names .*none\.toml, which is not there"):
        find_file(inner)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('brian = "claude"\n', "fleetlog.toml:1: unknown setting 'brian'; did you mean 'brain'?"),
        ("\n[server]\nprot = 1\n", "fleetlog.toml:3: unknown setting 'server.prot'; did you mean 'server.port'?"),
        ("[severs]\n", "fleetlog.toml:1: unknown setting 'severs'; did you mean 'server'?"),
        ('[server]\nport = "x"\n', "fleetlog.toml:2: 'server.port': Expected `int`, got `str`"),
        ("budget = 3\n", "fleetlog.toml:1: 'budget': Expected `object`, got `int`"),
        ("brain = \n", "fleetlog.toml: Invalid value"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    written(tmp_path, text)
    with pytest.raises(InvalidArgument) as refused:
        load_settings()
    assert said in str(refused.value)


def test_a_variable_of_the_wrong_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEETLOG_PORT", "many")
    with pytest.raises(InvalidArgument, match="FLEETLOG_PORT: Expected `int`, got `str`"):
        load_settings()


def test_what_init_writes_sets_nothing_and_names_everything(tmp_path: Path) -> None:
    written(tmp_path, template_text())
    assert load_settings() == Settings()
    for name in names():
        assert f"# {name.rpartition('.')[2]} = " in template_text(), name
        assert VARIABLES[name] in template_text(), name


def test_every_setting_has_a_variable_and_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert set(VARIABLES) == names()
    for name, variable in VARIABLES.items():
        assert f"| `{name}` | `{variable}` |" in text, name
