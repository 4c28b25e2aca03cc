"""The worked scenarios as MCP prompts: what a person asks a client to do with fleets. The texts are in prompts.toml."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.servers.tools.checking import nearest

__all__ = ["Prompt", "all_prompts", "prompt_text"]


class Prompt(msgspec.Struct, frozen=True):
    """A prompt; its `text` has a `{name}` for each argument."""

    name: str
    about: str
    arguments: tuple[str, ...]
    text: str


@cache
def all_prompts() -> tuple[Prompt, ...]:
    """Every prompt there is."""
    data = tomllib.loads(resources.files("fleetlog.runtime.servers").joinpath("prompts.toml").read_text())
    prompts = msgspec.convert(data["prompt"], tuple[Prompt, ...])
    how = data["how"].strip()
    return tuple(msgspec.structs.replace(one, text=one.text.strip().replace("{how}", how)) for one in prompts)


def prompt_text(name: str, arguments: Mapping[str, str]) -> tuple[str, str]:
    """(what it is for, the text with the arguments filled in); raises `InvalidArgument`."""
    found = next((prompt for prompt in all_prompts() if prompt.name == name), None)
    if found is None:
        raise InvalidArgument(f"There is no prompt '{name[:80]}'{nearest(name, [one.name for one in all_prompts()])}")
    missing = [argument for argument in found.arguments if not arguments.get(argument)]
    if missing:
        raise InvalidArgument(f"{name}: '{missing[0]}' is required and must be a non-empty string, got undefined")
    text = found.text
    for argument in found.arguments:
        text = text.replace(f"{{{argument}}}", arguments[argument])
    return found.about, text
