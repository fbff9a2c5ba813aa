"""The pre-start check: a list of what holds and what does not, each with its numbers (RK-15, RK-16).

Each function looks at one thing and yields items. A failing item that is hard keeps `quotemesh up` from
starting; the others are shown by `quotemesh check`, which ends with 1 when anything fails.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.cli.config_model import Config
from services.cli.pauses import pause_row
from services.cli.prestart_facts import AccountFacts, VenueFacts, account_facts, venue_facts, venues_by_name
from services.cli.prestart_item import Item, failed, passed
from services.cli.prestart_live import AccountTruth, live_items, venue_balances
from services.cli.prestart_money import limits, required_money, strategies, versions, wallets
from services.cli.prestart_warnings import warnings
from services.cli.venue_truth import account_truths
from services.risk.calendar import next_pauses, pause_text
from shared.runtime.paths import DataDir
from shared.units import decimal_text

MB = 2**20


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the check looks at."""

    cfg: Config
    data: DataDir
    now_ns: int
    venues: dict[str, VenueFacts]
    account: AccountFacts
    truths: list[AccountTruth]


def gather(cfg: Config, data: DataDir, now_ns: int) -> Facts:
    """Ask venues and read the log; raises `ConfigError` when no simulated venue can be made."""
    account = account_facts(data)
    truths = account_truths(cfg.broker.venues, data)
    account.balances = venue_balances(truths) if truths else None
    return Facts(cfg, data, now_ns, venues_by_name(venue_facts(cfg, data)), account, truths)


def run_check(facts: Facts) -> list[Item]:
    """Return every item, in a fixed order."""
    return [
        *_place(facts.data, facts.cfg.risk.prestart.disk_free_min_mb),
        *_kill(facts.data),
        *_venues(facts),
        *_markets(facts),
        *_leverage(facts.cfg),
        *wallets(facts.cfg, facts.venues, facts.account),
        *strategies(facts.cfg, facts.venues, facts.account),
        *limits(facts.cfg, facts.venues, facts.account),
        *warnings(facts.cfg),
        *_positions(facts),
        *_calendar(facts),
        *_accounts(facts),
    ]


def _accounts(facts: Facts) -> Iterator[Item]:
    """Yield what the venues say of the account; on paper there is none."""
    if facts.cfg.mode == "paper":
        yield Item("key", "info", "paper: there is no API key whose rights could be scored")
        return
    held: dict[str, int] = {}
    for _, symbol, lots in facts.account.positions():
        held[symbol] = held.get(symbol, 0) + lots
    yield from live_items(facts.cfg, facts.truths, held)
    yield from versions(facts.cfg)


def _place(data: DataDir, least_mb: int) -> Iterator[Item]:
    place = data.root
    while not place.exists():
        place = place.parent
    try:
        # Permissions alone do not tell: a read-only file system refuses the root user too.
        tempfile.TemporaryFile(dir=place).close()
        yield passed("data", f"{data.root} can be written")
    except OSError as error:
        text = f"{place} cannot be written ({error.strerror}): name another directory with --data"
        yield failed("data", text)
    free_mb = shutil.disk_usage(place).free // MB
    numbers = (str(free_mb), str(least_mb))
    if free_mb >= least_mb:
        yield passed("disk", f"{free_mb} MB free, at least {least_mb} needed", *numbers)
    else:
        text = f"{free_mb} MB free, at least {least_mb} needed: make space, or use another disk with --data"
        yield failed("disk", text, *numbers)


def _kill(data: DataDir) -> Iterator[Item]:
    path = data.latch / "kill"
    if not path.exists():
        yield passed("kill", "not latched")
        return
    try:
        said: Any = json.loads(path.read_bytes())
        why = f"by {said['by']}: {said['reason']}"
    except (OSError, ValueError, KeyError, TypeError):
        why = "the file says no reason"
    # A latched mesh may start: it sends nothing, and only a running one can be cleared.
    text = f"latched ({why}); no order is sent until `kill --clear --reason TEXT`"
    yield failed("kill", text, is_hard=False)


def _venues(facts: Facts) -> Iterator[Item]:
    limit_ms = facts.cfg.risk.prestart.clock_offset_max_ms
    for name, venue in facts.venues.items():
        label = f"venue {name}"
        if venue.source == "configuration":
            text = "the simulated venue does not run yet: what follows is what the configuration makes it"
            yield Item(label, "info", text)
        elif venue.source == "capture":
            yield Item(label, "info", "a capture is played: its markets and prices are known when it plays")
        elif venue.error:
            text = f"{venue.address or name} does not answer ({venue.error}): look at the network and the url"
            yield failed(label, text)
        else:
            yield passed(label, f"{venue.address} answers in {venue.rtt_ms} ms")
        if venue.offset_ms is None:
            continue
        off_ms = max(0, abs(venue.offset_ms) - venue.rtt_ms // 2)
        numbers = (str(venue.offset_ms), str(limit_ms))
        text = f"the venue's clock less ours is {venue.offset_ms} ms, at most {limit_ms} allowed"
        if off_ms <= limit_ms:
            yield passed(f"clock {name}", text, *numbers)
        else:
            yield failed(f"clock {name}", f"{text}: synchronise this machine's clock (NTP)", *numbers)


def _markets(facts: Facts) -> Iterator[Item]:
    for venue in facts.venues.values():
        for symbol, why in sorted(venue.survey.unlisted.items()):
            yield failed(f"market {symbol}", f"{why}: remove it from `symbols`, or mend its name")
        for symbol, rules in sorted(venue.survey.rules.items()):
            if rules.status != "TRADING":
                text = f"the venue says {rules.status}: no order is taken until it trades"
                yield failed(f"market {symbol}", text)
                continue
            half_ticks = venue.survey.half_ticks.get(symbol)
            price = (
                "no price now"
                if not half_ticks
                else f"price {decimal_text(half_ticks // 2, rules.tick_size)}"
            )
            fees = f"maker {rules.maker_fee_ppm / 100:g} bps, taker {rules.taker_fee_ppm / 100:g} bps"
            yield passed(f"market {symbol}", f"trading, {price}, {fees}")


def _leverage(cfg: Config) -> Iterator[Item]:
    margin = cfg.risk.margin
    numbers = (str(margin.leverage), str(margin.leverage_max))
    text = f"{margin.leverage} used, at most {margin.leverage_max} allowed"
    if margin.leverage <= margin.leverage_max:
        yield passed("leverage", text, *numbers)
    else:
        yield failed("leverage", f"{text}: lower risk.margin.leverage", *numbers)


def _positions(facts: Facts) -> Iterator[Item]:
    if facts.account.error:
        # Not hard: the bus refuses a damaged log by itself, and names the place.
        yield failed("log", f"cannot be read: {facts.account.error}", is_hard=False)
        return
    positions = facts.account.positions()
    if not positions:
        yield Item("positions", "info", "none on the log")
    for strategy, symbol, lots in positions:
        rules = facts.account.rules.get(symbol)
        qty = str(lots) + " lots" if rules is None else decimal_text(lots, rules.lot_size)
        value = required_money(symbol, lots, facts.venues, facts.account)
        worth = "" if value is None else f", worth {value:.2f} {facts.cfg.risk.currency}"
        instance = facts.cfg.strategy.instances.get(strategy)
        name = f"position {strategy} {symbol}"
        if instance is None or instance.symbol != symbol or not instance.enabled:
            text = f"{qty}{worth}: no enabled strategy of the configuration manages it"
            yield Item(name, "warning", text, value=qty)
        else:
            yield Item(name, "info", f"{qty}{worth}: counted in what its wallet needs", value=qty)


def _calendar(facts: Facts) -> Iterator[Item]:
    risk = facts.cfg.risk
    if not risk.calendar.is_used:
        return
    now = pause_text(risk, facts.now_ns)
    coming = next_pauses(risk, facts.now_ns, 1)
    if now:
        yield Item("calendar", "warning", f"nothing is traded now: {now}")
    elif coming:
        begins = pause_row(risk, coming[0])["halted_from"]
        yield Item("calendar", "info", f"the next pause halts from {begins}: {coming[0].text}")


def hard_failures(items: list[Item]) -> str:
    """Return the hard items that fail as one text, empty when there is none."""
    return "\n".join(f"  {one.name}: {one.text}" for one in items if one.state == "fail" and one.is_hard)
