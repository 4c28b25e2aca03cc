"""What a program reads of a prompt: the `key: value` lines after a line `Inputs:`. The rest is for people."""

__all__ = ["inputs_of"]


def inputs_of(prompt: str) -> dict[str, str]:
    """The inputs by key; empty when the prompt has none. Of a key that stands there twice, the last counts."""
    _, _, after = f"\n{prompt}".rpartition("\nInputs:\n")
    pairs = (
        (line.partition(":") for line in after.splitlines() if ":" in line) if "\nInputs:\n" in f"\n{prompt}" else ()
    )
    return {key.strip(): value.strip() for key, _, value in pairs}
