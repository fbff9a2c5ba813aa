"""What a mesh in testnet or live will do, told before it starts: where, with whose money, how to stop it."""

from collections.abc import Iterator, Mapping

from services.cli.config_model import Config
from services.cli.prestart_money import appetite_of, live_instances
from services.strategy.registry import settings_of

HEADS = {
    "live": "mode LIVE: orders go out with real money",
    "testnet": "mode testnet: orders go out with play money",
}
WAY_OUT = (
    "at once: quotemesh kill; in order: quotemesh down; with a dead broker: quotemesh cancel-all --direct"
)


def plan_text(cfg: Config, fingerprints: Mapping[str, str]) -> str:
    """Return the plan of `cfg` as lines; `fingerprints` of the keys by venue."""
    rows = [
        *_venues(cfg, fingerprints),
        *_strategies(cfg),
        *_limits(cfg),
        *_ends(cfg),
        ("to stop it", WAY_OUT),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join([HEADS[cfg.mode], *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _venues(cfg: Config, fingerprints: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for access in cfg.broker.venues:
        where = access.rest_url or ("in this mesh" if access.network == "sim" else "")
        network = "simulated venue" if access.network == "sim" else f"network {access.network}"
        yield f"venue {access.name}", " ".join(filter(None, (network, where)))
        shown = fingerprints.get(access.name, "not read")
        yield "  account", f"key {access.key} (fingerprint {shown})"
        yield "  markets", ", ".join(access.symbols)


def _strategies(cfg: Config) -> Iterator[tuple[str, str]]:
    for name, instance in live_instances(cfg).items():
        want = appetite_of(settings_of(instance.kind, instance.params))
        order = "" if want.order is None else f", orders of {want.order}"
        most = "" if want.most is None else f", position at most {want.most}"
        yield f"strategy {name}", f"{instance.kind} on {instance.symbol}{order}{most}"
    if not live_instances(cfg):
        yield "strategies", "none is enabled: nothing will be ordered"


def _limits(cfg: Config) -> Iterator[tuple[str, str]]:
    risk, money = cfg.risk, cfg.risk.currency
    largest = max((risk.limits_of(symbol).order_notional_max for symbol in cfg.symbols), default=0)
    yield "largest order", f"{largest} {money}, at most {risk.orders_per_s_max} orders a second"
    for symbol in cfg.symbols:
        own = risk.limits_of(symbol)
        worst = f"{own.position_notional_max} {money} a strategy, {own.symbol_notional_max} {money} in all"
        yield "worst case", f"{symbol}: {worst}"
    yield "worst case", f"everything, resting orders included: {risk.portfolio_notional_max} {money}"
    day = risk.breakers.session_loss_max
    daily = f"; {day} in a day stops new risk" if day else ""
    yield "loss limits", f"{risk.loss_max} {money} kills everything{daily}"


def _ends(cfg: Config) -> Iterator[tuple[str, str]]:
    live = cfg.broker.live
    watched = (
        f"the venue cancels after {live.countdown_ms // 1000} s without us where it can; else the canceller "
        "does, 10 s after the broker's last sign of life"
    )
    yield "dead man's", watched if live.countdown_ms else "the canceller, 10 s after the broker's last sign"
    orders = "are cancelled" if live.cancel_on_exit else "STAY at the venue (broker.live.cancel_on_exit)"
    places = "are closed" if live.close_positions_on_exit else "stay"
    yield "on a stop", f"open orders {orders}, positions {places}"
