"""Every built-in strategy by name, and users' own by import path. One line here adds a strategy."""

import dataclasses
import importlib
import inspect
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, get_type_hints

import msgspec
from annotated_types import Ge, Gt, Le, Lt, Predicate

from services.strategy.avellaneda_stoikov import AvellanedaStoikov
from services.strategy.base import Strategy
from services.strategy.classic_ladder import Dca, Martingale
from services.strategy.classic_signals import Combo, MeanReversion, Momentum, Trend
from services.strategy.flags import FLAGS
from services.strategy.grid import Grid
from services.strategy.imbalance import Imbalance

STRATEGIES: Mapping[str, type[Strategy]] = {
    "avellaneda_stoikov": AvellanedaStoikov,
    "grid": Grid,
    "imbalance": Imbalance,
    "dca": Dca,
    "martingale": Martingale,
    "momentum": Momentum,
    "mean_reversion": MeanReversion,
    "trend": Trend,
    "combo": Combo,
}


def strategy_class(kind: str) -> type[Strategy]:
    """Return the strategy called `kind`, or the one at the import path `my.module:MyStrategy`.

    Raises `ValueError` that says what is wrong with the name or the module.
    """
    if ":" not in kind:
        if kind not in STRATEGIES:
            raise ValueError(
                f"kind {kind!r} is no strategy; use one of {', '.join(STRATEGIES)} "
                "or the import path of your own, like my.module:MyStrategy"
            )
        return STRATEGIES[kind]
    module_name, _, class_name = kind.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:
        raise ValueError(
            f"kind {kind!r} cannot be imported: {type(error).__name__}: {error}; it is written "
            "file:Class, the file in <data>/config/strategies or where Python finds it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ValueError(f"kind {kind!r} is no subclass of services.strategy.base.Strategy")
    if not dataclasses.is_dataclass(getattr(found, "Settings", None)):
        raise ValueError(f"kind {kind!r} has no dataclass `Settings`; an empty one will do")
    return found


def flags_of(kind: str) -> dict[str, str]:
    """Return what each feature flag of `kind` does: those of every strategy, and its own."""
    return {**FLAGS, **strategy_class(kind).FLAGS}


def check_flags(kind: str, flags: Iterable[str]) -> None:
    """Raise `ValueError` that names a flag which `kind` does not have."""
    known = flags_of(kind)
    for flag in flags:
        if flag not in known:
            raise ValueError(f"flag {flag!r}: {kind} has no such flag; use {', '.join(known)}")


def source_of(kind: str) -> str:
    """Return the text of a user's strategy module: a part of its version. Empty for built-in ones."""
    return inspect.getsource(inspect.getmodule(strategy_class(kind)) or object) if ":" in kind else ""


def settings_of(kind: str, params: Mapping[str, Any]) -> Any:
    """Return `params` as the settings of `kind`; values may be texts, as YAML without types has them.

    Raises `ValueError` that names every unknown key, wrong type and value outside its bounds.
    """
    model = strategy_class(kind).Settings
    known = {field.name for field in dataclasses.fields(model)}
    problems = [f"{key}: there is no such setting of {kind}" for key in params if key not in known]
    values: dict[str, Any] = {}
    hints = get_type_hints(model, include_extras=True)
    for key in sorted(known & set(params)):
        try:
            values[key] = msgspec.convert(params[key], type=hints[key], strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{key}: {params[key]!r}: {error}")
            continue
        problems += [f"{key}: {problem}" for problem in _out_of_bounds(values[key], hints[key])]
    if not problems:
        try:
            return model(**values)
        except (TypeError, ValueError) as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _out_of_bounds(value: Any, hint: Any) -> list[str]:
    problems = []
    if isinstance(value, Decimal) and value.is_nan():
        # It cannot even be compared with a bound.
        return [f"{value} is no number"]
    for bound in getattr(hint, "__metadata__", ()):
        match bound:
            case Ge() if not value >= bound.ge:
                problems.append(f"{value} is less than {bound.ge}")
            case Gt() if not value > bound.gt:
                problems.append(f"{value} is not more than {bound.gt}")
            case Le() if not value <= bound.le:
                problems.append(f"{value} is more than {bound.le}")
            case Lt() if not value < bound.lt:
                problems.append(f"{value} is not less than {bound.lt}")
            case Predicate() if not bound.func(value):
                problems.append(f"{value!r} is not allowed")
            case _:
                pass
    return problems
