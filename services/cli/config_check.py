"""Check a tree of texts against a frozen dataclass: every mistake at once, each with its path.

Unknown and missing keys, shapes, and numbers that are no numbers are found here; values and bounds by
pydantic's TypeAdapter, which turns the texts into the types of the model.
"""

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import annotated_types
import pydantic
import pydantic_core

from services.cli.config_text import Path, Problem, Tree
from shared.settings import Doc
from shared.units import INT64_MAX

_EMPTY = frozenset({"", "null", "~"})
NUMBER_MAX = 1e15
"""No setting is that large; it keeps a slipped finger out of the arithmetic."""


class Leaf(typing.NamedTuple):
    """One effective value: its path, the value, the sentence of the manual and the bounds in words."""

    path: Path
    value: Any
    doc: str
    bounds: str


def read(
    model: Any, tree: Tree, path: Path, problems: list[Problem], given: Mapping[str, Any] | None = None
) -> Any:
    """Return the `model` that `tree` describes, or None after adding what is wrong to `problems`.

    `given` are ready values of fields that another part of the file holds: unknown as keys here.
    """
    before = len(problems)
    given = given or {}
    prepared = _prepare_fields(model, tree, path, problems, frozenset(given))
    if isinstance(prepared, dict):
        prepared |= given
    known = {problem.path for problem in problems[before:]}
    try:
        value = _adapter(model).validate_python(prepared)
    except pydantic.ValidationError as error:
        for detail in error.errors(include_url=False):
            where = (*path, *_location(detail["loc"]))
            if not any(where[: len(p)] == p for p in known):
                known.add(where)
                problems.append(Problem(where, _value_text(detail)))
    except RecursionError:
        problems.append(Problem(path, "nested too deeply for a configuration"))
    return None if len(problems) > before else value


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return ` did you mean 'x'?` when a known word is close, else the list of known words."""
    names = sorted(known)
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(names) or 'nothing'}"


def leaves(value: Any, path: Path = (), doc: str = "", bounds: str = "") -> list[Leaf]:
    """Return every single value inside `value`, in the order of the models' fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = []
        for name, (hint, _) in fields_of(type(value)).items():
            _, notes = _split(hint)
            found += leaves(
                getattr(value, name),
                (*path, name),
                " ".join(note.text for note in notes if isinstance(note, Doc)),
                ", ".join(filter(None, map(_bound_text, notes))),
            )
        return found
    if isinstance(value, Mapping) and value:
        return [leaf for key in value for leaf in leaves(value[key], (*path, str(key)), doc, bounds)]
    if isinstance(value, list | tuple) and any(dataclasses.is_dataclass(item) for item in value):
        return [leaf for at, item in enumerate(value) for leaf in leaves(item, (*path, str(at)), doc, bounds)]
    return [Leaf(path, value, doc, bounds)]


@functools.cache
def fields_of(model: Any) -> dict[str, tuple[Any, "dataclasses.Field[Any]"]]:
    """Return the fields of a dataclass by name, each with its full type hint."""
    hints = typing.get_type_hints(model, include_extras=True)
    return {field.name: (hints[field.name], field) for field in dataclasses.fields(model)}


@functools.cache
def _adapter(model: Any) -> "pydantic.TypeAdapter[Any]":
    return pydantic.TypeAdapter(model)


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without `Annotated`, and its notes."""
    if typing.get_origin(hint) is typing.Annotated:
        bare, *notes = typing.get_args(hint)
        inner, more = _split(bare)
        return inner, (*more, *notes)
    return hint, ()


def _prepare(hint: Any, tree: Tree, path: Path, problems: list[Problem]) -> Any:
    """Return `tree` ready for pydantic, adding what only we can see to `problems`."""
    bare, _ = _split(hint)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin in (types.UnionType, typing.Union) and type(None) in arguments:
        if isinstance(tree, str) and tree.lower() in _EMPTY:
            return None
        rest = [argument for argument in arguments if argument is not type(None)]
        return _prepare(rest[0], tree, path, problems) if len(rest) == 1 else tree
    if dataclasses.is_dataclass(bare):
        return _prepare_fields(typing.cast("type[Any]", bare), tree, path, problems)
    if origin in (dict, Mapping) or origin is types.MappingProxyType:
        return _prepare_mapping(arguments[1], tree, path, problems)
    if origin in (list, tuple, frozenset, set, Sequence):
        if not tree:
            return []
        if not isinstance(tree, list):
            problems.append(Problem(path, f"a list is due here, as `[a, b]`; you wrote {_shown(tree)}"))
            return tree
        return [_prepare(arguments[0], item, (*path, str(at)), problems) for at, item in enumerate(tree)]
    if not isinstance(tree, str):
        problems.append(Problem(path, f"one value is due here, not a {_shape(tree)}"))
        return tree
    _check_number(bare, tree, path, problems)
    return tree


def _prepare_fields(
    model: Any, tree: Tree, path: Path, problems: list[Problem], given: frozenset[str] = frozenset()
) -> Any:
    if tree == "":
        tree = {}
    if not isinstance(tree, dict):
        problems.append(Problem(path, f"`key: value` lines are due here; you wrote {_shown(tree)}"))
        return tree
    known = {name: entry for name, entry in fields_of(model).items() if name not in given}
    problems += [
        Problem((*path, key), f"unknown key; {near_miss(key, known)}") for key in tree if key not in known
    ]
    for name, (_, field) in known.items():
        is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if is_required and name not in tree:
            problems.append(Problem((*path, name), f"missing; add it under `{'.'.join(path) or 'the file'}`"))
    return {
        key: _prepare(known[key][0], value, (*path, key), problems)
        for key, value in tree.items()
        if key in known
    }


def _prepare_mapping(hint: Any, tree: Tree, path: Path, problems: list[Problem]) -> Any:
    if tree == "":
        return {}
    if not isinstance(tree, dict):
        problems.append(Problem(path, f"`name: value` lines are due here; you wrote {_shown(tree)}"))
        return tree
    return {key: _prepare(hint, value, (*path, key), problems) for key, value in tree.items()}


def _check_number(bare: Any, text: str, path: Path, problems: list[Problem]) -> None:
    """Refuse what a number type would take but no setting means: nan, inf, and beyond 64 bits."""
    if bare is int:
        try:
            is_ok = text.isascii() and -INT64_MAX <= int(text) <= INT64_MAX
        except ValueError:
            is_ok = False
        if not is_ok:
            problems.append(
                Problem(path, f"a whole number of at most 18 digits is due here, not {_shown(text)}")
            )
    elif bare in (float, Decimal):
        try:
            number = float(text)
            is_ok = text.isascii() and math.isfinite(number) and abs(number) <= NUMBER_MAX
        except ValueError:
            is_ok = False
        if not is_ok:
            problems.append(Problem(path, f"a finite number up to 10^15 is due here, not {_shown(text)}"))


def _shown(tree: Tree) -> str:
    if isinstance(tree, str):
        return repr(tree if len(tree) <= 60 else tree[:57] + "...")
    return f"a {_shape(tree)}"


def _shape(tree: Tree) -> str:
    return "list" if isinstance(tree, list) else "block of keys"


def _location(location: Sequence[int | str]) -> Path:
    """Return the path of a pydantic error, without the names it gives to union members and keys."""
    return tuple(
        str(part) for part in location if str(part) != "[key]" and not str(part).startswith("function-")
    )


def _value_text(detail: pydantic_core.ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    value = detail.get("input")
    return f"{text}; you wrote {_shown(value)}" if isinstance(value, str) else text


def _bound_text(note: Any) -> str:
    match note:
        case annotated_types.Gt():
            return f"> {note.gt}"
        case annotated_types.Ge():
            return f">= {note.ge}"
        case annotated_types.Lt():
            return f"< {note.lt}"
        case annotated_types.Le():
            return f"<= {note.le}"
        case annotated_types.MinLen():
            return f"at least {note.min_length} long"
        case _:
            return ""
