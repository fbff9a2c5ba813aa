"""Let Optuna choose the combinations: batches of a fixed size, so that the number of workers changes nothing.

Each batch is asked for as a whole, run, and told in the order it was asked: with the same seed and batch size
the same combinations are tried, on one process or on many, and an interrupted search that is started again
finds the results of its former batches in the store and asks for the same ones.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.backtest.research import research_package
from services.backtest.sweep_space import Axis, Point, refuse_twice
from shared.errors import ConfigError

BATCH = 8
TRIALS_MAX = 10_000

Scores = Mapping[Point, float | None]
"""The score of each combination of a batch; None for one that failed."""


def search(
    axes: Sequence[Axis],
    trials: int,
    seed: int,
    evaluate: Callable[[list[Point]], Scores],
    batch: int = BATCH,
) -> list[Point]:
    """Return the combinations that were tried, best score wanted, each once, in the order of trial.

    Raises `ConfigError` when Optuna is not installed or the space cannot be searched.
    """
    optuna = research_package("optuna", "--optuna")
    refuse_twice(axes)
    if not 1 <= trials <= TRIALS_MAX:
        raise ConfigError(f"--optuna {trials}: between 1 and {TRIALS_MAX} trials")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    tried: dict[Point, float | None] = {}
    left = trials
    while left > 0:
        asked = [study.ask() for _ in range(min(batch, left))]
        left -= len(asked)
        points = [tuple((axis.setting, _value(trial, axis)) for axis in axes) for trial in asked]
        new = [point for point in dict.fromkeys(points) if point not in tried]
        tried.update(evaluate(new) if new else {})
        for trial, point in zip(asked, points, strict=True):
            score = tried[point]
            if score is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, score)
    return list(tried)


def _value(trial: Any, axis: Axis) -> str:
    if not axis.is_range:
        return str(trial.suggest_categorical(axis.setting, list(axis.values)))
    if axis.is_whole:
        return str(trial.suggest_int(axis.setting, int(axis.low), int(axis.high)))
    # A person could have written it: six digits are enough for any setting.
    return f"{trial.suggest_float(axis.setting, float(axis.low), float(axis.high)):.6g}"
