"""Where an instance stands: whether its orders may rest, and what its strategy is told of that.

The same whether the core decides or adopts what another build decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from services.strategy.flatten import FLATTENED
from services.strategy.world import World
from shared.messages.control import StrategyNote, StrategyStatus

if TYPE_CHECKING:
    from services.strategy.base import Context
    from services.strategy.instance import Instance

KEPT = "paused by a person; its quotes stay"
"""Why nothing is placed while quotes rest (`on_pause: keep`)."""

MAY_REST = frozenset({"quoting", "warming_up"})
"""The states in which orders may rest; while warming up only those that close are added."""

WARMING_UP = "counting time and data since the start (ST-6)"


def gate(instance: Instance, world: World) -> tuple[str, str]:
    """Return (state, reason): in quoting alone may orders rest; warm-up is not judged here."""
    if instance.failure:
        return "failed", instance.failure
    if world.is_finished(instance.symbol):
        return "finished", "the capture has been played to its end"
    if not instance.is_enabled:
        return "paused", "not enabled in the configuration"
    if instance.is_paused and (instance.options.on_pause != "keep" or instance.is_let_go):
        return "paused", "paused by a person"
    reason = world.hold_reason(instance.symbol, instance.name)
    if not reason and instance.is_unsure:
        reason = "waiting for the next book"
    if reason:
        return "pulled", reason
    if not instance.is_paused:
        return "quoting", world.reducing_reason(instance.name, instance.symbol)
    if world.is_reducing(instance.name, instance.symbol):
        return "paused", "paused by a person while risk only reduces"
    return "paused", KEPT


def judge(instance: Instance, world: World, now_ns: int, *, is_warm: bool) -> tuple[str, str]:
    """Return (state, reason) of an instance, and remember what follows from it."""
    state, reason = gate(instance, world)
    may_rest = state == "quoting"
    if may_rest and not is_warm:
        state, reason = "warming_up", WARMING_UP
    if instance.ctx is not None:
        show(instance.ctx, state)
    if reason == KEPT:
        return state, reason
    if not may_rest:
        # Once withdrawn, only a book that comes later may bring quotes back.
        instance.is_unsure = True
    elif not (world.is_reducing(instance.name, instance.symbol) and is_explained(instance, world, now_ns)):
        instance.is_returning = False
    return state, reason


def show(ctx: Context, state: str) -> None:
    """Let a strategy see in its context what the state allows."""
    ctx.can_trade = state == "quoting"
    ctx.is_warming_up = state == "warming_up"


def is_explained(instance: Instance, world: World, now_ns: int) -> bool:
    """Return whether a planned stop or a fresh start explains what is missing: resting orders stay."""
    is_back_soon = instance.is_returning and now_ns < world.grace_until_ns
    return (world.is_stopping or is_back_soon) and not world.is_forced


def enter(instance: Instance, state: str, reason: str) -> bool:
    """Tell the strategy of a new state, once; return whether state or reason are new."""
    said = instance.said
    if (state, reason) == (said.state, said.reason):
        return False
    instance.said = msgspec.structs.replace(said, state=state, reason=reason)
    if instance.strategy is None:
        return True
    is_over = state == "finished" or not instance.is_enabled
    if is_over and not instance.is_stopped:
        instance.call(instance.strategy.on_stop)
    elif state != said.state:
        instance.call(instance.strategy.on_state, state)
    instance.is_stopped = is_over
    return True


def fold(instance: Instance, message: StrategyStatus | StrategyNote, now_ns: int) -> None:
    """Take what was said of the state, and which note was said when."""
    if isinstance(message, StrategyNote):
        instance.noted_ns[message.code] = now_ns
        if message.code == FLATTENED:
            instance.closing = None
        return
    enter(instance, message.state, message.reason)
    instance.said, instance.said_ns = message, now_ns
