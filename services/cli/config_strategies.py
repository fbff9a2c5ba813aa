"""Strategy instances of a configuration: names, markets, and parameters checked by their kind."""

import dataclasses
from collections.abc import Iterable, Sequence

import msgspec

from services.cli.config_check import near_miss, read
from services.cli.config_model import normal_symbol
from services.cli.config_text import Path, Problem, Tree
from services.strategy.registry import STRATEGIES, flags_of, strategy_class
from services.strategy.settings import InstanceSettings, is_instance_name


def read_instances(
    written: Tree, symbols: Sequence[str], problems: list[Problem]
) -> dict[str, InstanceSettings]:
    """Return the instances under `strategies`, adding what is wrong to `problems`."""
    if written == "":
        return {}
    if not isinstance(written, dict):
        problems.append(
            Problem(("strategies",), "`name:` blocks are due here, as `quotemesh config init` writes")
        )
        return {}
    instances: dict[str, InstanceSettings] = {}
    for name, tree in written.items():
        path = ("strategies", name)
        if not is_instance_name(name):
            problems.append(
                Problem(path, "a name is 1 to 12 of a-z, 0-9 and _, beginning with a letter; rename it")
            )
        instance = _read_instance(tree, path, symbols, problems)
        if instance is not None and is_instance_name(name):
            instances[name] = instance
    return instances


def _read_instance(
    tree: Tree, path: Path, symbols: Sequence[str], problems: list[Problem]
) -> InstanceSettings | None:
    if not isinstance(tree, dict):
        problems.append(Problem(path, "`kind`, `symbol` and `params` are due here"))
        return None
    rest = dict(tree)
    given: dict[str, object] = {"params": {}}
    params = rest.pop("params", {})
    kind = rest.get("kind")
    if isinstance(kind, str):
        given["params"] = _read_params(kind, params, path, problems)
    written = rest.pop("symbol", None)
    if written is None:
        problems.append(Problem((*path, "symbol"), "missing; name one of the markets under `symbols`"))
    else:
        symbol = normal_symbol(written) if isinstance(written, str) else None
        if symbol is None or (symbols and symbol not in symbols):
            hint = near_miss(symbol or str(written), symbols)
            problems.append(
                Problem((*path, "symbol"), f"{written!r} is not among the markets under `symbols`; {hint}")
            )
        given["symbol"] = symbol or ""
    flags = rest.get("flags")
    if isinstance(kind, str) and isinstance(flags, dict):
        problems += _unknown_flags(kind, flags, path)
    instance: InstanceSettings | None = read(
        InstanceSettings, rest, path, problems, given | {"symbol": given.get("symbol", "x:x") or "x:x"}
    )
    return instance


def _unknown_flags(kind: str, flags: Iterable[str], path: Path) -> list[Problem]:
    """Return what is wrong with the names of feature flags; an unknown kind is named elsewhere."""
    try:
        known = flags_of(kind)
    except ValueError:
        return []
    return [
        Problem((*path, "flags", flag), f"{kind} has no such flag; {near_miss(flag, known)}")
        for flag in flags
        if flag not in known
    ]


def _read_params(kind: str, params: Tree, path: Path, problems: list[Problem]) -> dict[str, object]:
    """Return the written parameters with the types of the kind's settings."""
    try:
        model = strategy_class(kind).Settings
    except ValueError as error:
        hint = "" if ":" in kind else f"; {near_miss(kind, STRATEGIES)}"
        problems.append(Problem((*path, "kind"), f"{error}{hint}"))
        return {}
    settings = read(model, params, (*path, "params"), problems)
    if settings is None or not isinstance(params, dict):
        return {}
    return {
        field.name: msgspec.to_builtins(getattr(settings, field.name))
        for field in dataclasses.fields(model)
        if field.name in params
    }
