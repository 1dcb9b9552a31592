"""A tool's arguments: the JSON Schema that a model gets, and the check of what the model then wrote.

Two ways to one result, `Arguments`. A function's annotations go through pydantic, which builds the schema, checks, and
turns JSON into what was annotated (an Enum, a date, a dataclass), all from one reading of the types; done by hand it
would be a worse pydantic. A schema written by hand is checked by jsonschema, which knows all of the standard. Neither
is cheap to import (about 110 ms and 18 MB, 65 ms and 8 MB), so each is imported with the first tool that needs it.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from patter_cli.docstring import read_docstring
from patter_cli.errors import BadArguments, InputError

Schema = Mapping[str, Any]

FAULTS = 4
"""So many are told to a model at once: it corrects what it reads first."""
FAULT_CHARS = 200
"""A fault is cut here: the rest quotes what the model wrote itself."""

_DECIDED = {"additionalProperties", "unevaluatedProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf"}
"""A schema with one of these has said what it thinks of further properties."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a tool can be called with.

    schema: of type object, refers to nothing outside itself. check: from the parsed arguments to what the handler
    gets; raises BadArguments with a text for the model, which quotes no exception of the author's own checks.
    """

    schema: Schema
    check: Callable[[dict[str, Any]], dict[str, Any]]


def check_signature(name: str, function: Callable[..., Any]) -> inspect.Signature:
    """See that a model can call it: every argument has a name and a type, not resolved yet. Raises InputError."""
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        whose = f"tool {name}: parameter {parameter.name!r}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InputError(f"{whose} takes any number of arguments", hint="write out each one that a model may give")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InputError(f"{whose} is positional only", hint='remove the "/": a model gives arguments by name')
        if parameter.annotation is parameter.empty and parameter.name != "ctx":
            raise InputError(f"{whose} has no type", hint=f"write {parameter.name}: str, or what else it is")
    return signature


def arguments_of(name: str, function: Callable[..., Any], *, context: type) -> Arguments:
    """Read a function's annotations. A parameter named ctx is not the model's. Raises InputError.

    context: the type of ctx, which no other parameter may have: a model must not write who is calling.
    """
    parameters = {key: value for key, value in check_signature(name, function).parameters.items() if key != "ctx"}
    _, said = read_docstring(function.__doc__, parameters)
    fields: dict[str, Any] = {}
    for key, parameter in parameters.items():
        annotation = _resolved(name, key, function, parameter.annotation)
        if annotation is context:
            raise InputError(f"tool {name}: parameter {key!r} would be the model's to write", hint="call it ctx")
        fields[key] = _field(annotation, said.get(key, ""), parameter.default)
    try:
        adapter, schema = _written(fields)
    except ValueError as error:
        key = _blamed(fields)
        raise InputError(
            f"tool {name}: a model cannot write parameter {key!r}, {parameters[key].annotation}",
            hint="use str, int, float, bool, Literal, an Enum, list, dict, a dataclass or a TypedDict",
        ) from error
    return Arguments(_plain_schema(schema), lambda given: _typed(adapter, given))


def arguments_by(name: str, schema: Schema) -> Arguments:
    """Take a JSON Schema as its author wrote it. Raises InputError.

    Its own properties are all there are, unless it says something of others. The handler gets JSON, as it came.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    try:
        own: Any = json.loads(json.dumps(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"tool {name}: its parameters are not JSON: {error}") from error
    if not isinstance(own, dict) or own.get("type") != "object":
        hint = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
        raise InputError(f"tool {name}: its parameters are not a schema of type object", hint=hint)
    if not own.keys() & _DECIDED:
        own["additionalProperties"] = False
    for reference in _references(own):
        if not reference.startswith("#"):
            raise InputError(f"tool {name}: its parameters refer to {reference!r}", hint="write it out under $defs")
    kind = validator_for(own, default=Draft202012Validator)
    try:
        kind.check_schema(own)
    except SchemaError as error:
        raise InputError(f"tool {name}: its parameters are not a JSON Schema: {error.message}") from error
    validator = kind(own, registry=Registry())  # with the usual registry it would fetch what a reference names

    def check(given: dict[str, Any]) -> dict[str, Any]:
        faults = islice(validator.iter_errors(given), FAULTS)
        told = [f"{_place(fault.absolute_path)}{fault.message}"[:FAULT_CHARS] for fault in faults]
        if told:
            raise BadArguments("; ".join(told))
        return given

    return Arguments(own, check)


def _references(schema: Any) -> Iterator[str]:
    """Whatever a schema refers to, at any depth."""
    if isinstance(schema, dict):
        yield from (schema[key] for key in ("$ref", "$dynamicRef") if isinstance(schema.get(key), str))
        for inner in schema.values():
            yield from _references(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)


def _resolved(name: str, key: str, function: Callable[..., Any], annotation: Any) -> Any:
    """The type that an annotation, maybe a string, stands for: of this parameter only, others may be unknown."""

    def stand_in() -> None: ...

    stand_in.__annotations__ = {key: annotation}
    around = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return _modern(typing.get_type_hints(stand_in, globalns=around, include_extras=True)[key])
    except (NameError, AttributeError, TypeError, SyntaxError, RecursionError) as error:
        raise InputError(
            f"tool {name}: the type of parameter {key!r} is not known: {error}",
            hint="define or import it at the top of the file, outside functions and `if TYPE_CHECKING`",
        ) from error


def _modern(annotation: Any) -> Any:
    """The same type for pydantic, which before Python 3.12 takes no typing.TypedDict but typing_extensions' own."""
    if sys.version_info >= (3, 12):
        return annotation
    import typing_extensions

    if typing.is_typeddict(annotation) and type(annotation).__module__ == "typing":
        fields: dict[str, Any] = {}
        for key, hint in typing.get_type_hints(annotation, include_extras=True).items():
            mark = typing.get_origin(hint)
            marked = mark in (typing.Required, typing.NotRequired)
            inner = _modern(typing.get_args(hint)[0] if marked else hint)
            needed = mark is typing.Required if marked else key in annotation.__required_keys__
            fields[key] = inner if needed else typing_extensions.NotRequired[inner]
        return typing_extensions.TypedDict(annotation.__name__, fields)  # type: ignore[operator]
    kind: Any = typing.get_origin(annotation)
    parts = typing.get_args(annotation)
    modern = tuple(part if kind is typing.Literal else _modern(part) for part in parts)
    if all(new is old for new, old in zip(modern, parts, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return typing.Union[modern]  # noqa: UP007 (its members are only known now)
    if kind is typing.Annotated:
        return typing.Annotated[(modern[0], *annotation.__metadata__)]
    return kind[modern] if isinstance(kind, type) else annotation.copy_with(modern)  # type: ignore[index]


def _field(annotation: Any, about: str, default: Any) -> Any:
    """A parameter as pydantic wants it in a TypedDict; a description in Annotated counts if the docstring has none."""
    from pydantic import Field
    from pydantic_core import to_jsonable_python

    notes = [note for note in getattr(annotation, "__metadata__", ()) if isinstance(note, str)]
    extra: dict[str, Any] = {}
    if default is not inspect.Parameter.empty and default is not None:
        with suppress(ValueError):  # one that JSON does not have is the function's own affair
            extra["default"] = to_jsonable_python(default)
    described = about or " ".join(notes)
    known: dict[str, Any] = {"description": described} if described else {}
    if extra:
        known["json_schema_extra"] = extra
    field: Any = typing.Annotated[annotation, Field(**known)]
    return field if default is inspect.Parameter.empty else typing.NotRequired[field]


def _adapter(fields: dict[str, Any]) -> Any:
    """What checks a mapping of these arguments. Numbers for texts are taken: models write 5 for "5", and "5" for 5."""
    from pydantic import ConfigDict, TypeAdapter, with_config
    from typing_extensions import TypedDict

    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)
    return TypeAdapter(with_config(config)(TypedDict("Arguments", fields)))  # type: ignore[operator]


def _written(fields: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What checks these arguments, and their schema. Raises ValueError for a type that a model cannot write."""
    from pydantic.errors import PydanticUserError

    try:
        adapter = _adapter(fields)
        return adapter, adapter.json_schema()
    except (PydanticUserError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _blamed(fields: dict[str, Any]) -> str:
    """The first that a model could not write if it were alone; the last, if each alone could be."""
    for key, field in fields.items():
        try:
            _written({key: field})
        except ValueError:
            return key
    return key


def _typed(adapter: Any, given: dict[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    try:
        checked: dict[str, Any] = adapter.validate_python(given)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:FAULTS]
        raise BadArguments("; ".join(_told(fault["type"], fault["loc"], fault["msg"]) for fault in faults)) from None
    return checked


def _told(kind: str, place: tuple[int | str, ...], message: str) -> str:
    """One fault in a model's words. What a check of the author's raised may hold anything, so it is not repeated."""
    words = {
        "missing": "it is missing",
        "extra_forbidden": "there is no such argument",
        "unexpected_keyword_argument": "there is no such argument",
        "value_error": "it is not valid",
        "assertion_error": "it is not valid",
    }
    return f"{_place(place)}{words.get(kind, message)}"[:FAULT_CHARS]


def _place(path: typing.Iterable[int | str]) -> str:
    named = ".".join(map(str, path))
    return f"{named}: " if named else ""


def _plain_schema(schema: dict[str, Any]) -> Schema:
    """Pydantic's schema without its titles, which cost tokens, and with what it refers to written in place.

    Small models do not follow references. Only types that hold themselves keep theirs.
    """
    definitions = schema.pop("$defs", {})
    try:
        return dict(_plain(schema, definitions))
    except RecursionError:
        return {**_plain(schema, {}), "$defs": {name: _plain(inner, {}) for name, inner in definitions.items()}}


def _plain(part: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_plain(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    plain = dict(_plain(definitions[name], definitions)) if name in definitions else {}
    for key, value in part.items():
        if key == "properties":
            plain[key] = {inner: _plain(schema, definitions) for inner, schema in value.items()}
        elif key in ("default", "enum", "const", "examples"):
            plain[key] = value
        elif key != "title" and not (key == "$ref" and name in definitions):
            plain[key] = _plain(value, definitions)
    return plain
