"""Does a result fit the agent's JSON Schema? Judged here; what follows from it is decided in the domain."""

from typing import Any

from fleetlog.domain.errors import InvalidArgument

__all__ = ["check_schema", "schema_violations"]

_MOST = 10
_MESSAGE_CHARS = 300


def check_schema(schema: dict[str, Any] | bool) -> None:
    """Refuse what is no JSON Schema, with `InvalidArgument`."""
    import jsonschema  # here: few fleets have schemas, and it takes long to load

    validator = jsonschema.validators.validator_for(schema)
    try:
        validator.check_schema(schema)  # type: ignore[arg-type]  # True and False are schemas
    except jsonschema.SchemaError as error:
        raise InvalidArgument(f"'result_schema' is no JSON Schema: {error.message[:_MESSAGE_CHARS]}") from error


def schema_violations(schema: dict[str, Any] | bool | None, output: Any) -> tuple[str, ...]:
    """Where the output does not fit the schema, as 'path: why'; at most ten places."""
    if schema is None:
        return ()
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)
    found = sorted(validator.iter_errors(output), key=lambda error: error.json_path)
    return tuple(f"{error.json_path}: {error.message[:_MESSAGE_CHARS]}" for error in found[:_MOST])
