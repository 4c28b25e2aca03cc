"""Children of these tests run pytest themselves: without the plugins of this environment, which only cost time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.triage.places import make_shop, triaged


@pytest.fixture(scope="session", autouse=True)
def plain_pytest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        environment.delenv("PYTEST_ADDOPTS", raising=False)
        environment.delenv("PYTHONHASHSEED", raising=False)
        yield


@pytest.fixture(scope="session")
def small_shop(plain_pytest: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with 9 failing tests; not to be changed."""
    root = tmp_path_factory.mktemp("small") / "shop"
    make_shop(root, 3, is_small=True)
    return root


@pytest.fixture(scope="session")
def small_output(small_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the fleet found in the small shop, undisturbed."""
    return triaged(tmp_path_factory.mktemp("undisturbed") / "d", small_shop)
