"""A run out of the log of a live or paper mesh: the same tables as those of a backtest, so the same report.

Mids are those of trusted books in the order of the log; equity is marked at the highest, lowest and last mid
of each second, of longer steps where the log is long (`STEPS_MAX` of them are kept).
"""

import hashlib
from array import array
from collections.abc import Iterable
from datetime import UTC as UTC_ZONE
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from services.backtest.exact_record import RunFold
from services.backtest.marking import STEPS_MAX
from services.backtest.record import DataFile, Meta, Opening, Run, Strategy
from services.backtest.tables import MID_COLUMNS
from services.broker.settings import BrokerSettings
from services.market_data.settings import SIMULATED, FeedVenue, MarketDataSettings
from services.report.marks import Marks
from shared.double_entry import fee_in_quote, has_same_units, terms_of
from shared.errors import JournalError
from shared.messages import Event, market, orders, shadow, system
from shared.profit_parts import HORIZONS_NS
from shared.settings import unpack
from shared.units import NS_PER_S

RECORDED, GENERATED = "recorded", "generated"


def run_of(events: Iterable[Event], simulated: str = GENERATED, day: date | None = None) -> Run:
    """Return the run of a log, or of one UTC day of it.

    `simulated` says what the simulated venue plays, where the log followed it: `recorded` or `generated`. Of
    a day only its own orders, fills and payments count; a position that it began with is carried over at the
    mid of then.

    Raises:
        JournalError: a market is traded before its rules are known, or nothing falls on the day.
    """
    fold = JournalFold(simulated, day)
    for event in events:
        fold.apply(event)
    return fold.finish()


class JournalFold:
    """Fills a run from events: orders and fills by `RunFold`, mids and where it comes from here."""

    def __init__(self, simulated: str = GENERATED, day: date | None = None) -> None:
        self.run = Run(Meta(source="paper", path="journal"), [], [])
        self._fold = RunFold(self.run)
        self._marks = Marks()
        self._mids: dict[int, _MarketMids] = {}
        self._simulated = simulated
        self._window = _window(day)
        self._day = day
        self._seen = (0, 0)
        self._balance = Decimal(0)
        self._settings = hashlib.sha256()
        self._data = hashlib.sha256()
        self._digests: dict[str, str] = {}
        self._venues: tuple[FeedVenue, ...] = ()
        self._captures: set[str] = set()
        self._tick_ns = 0
        self._unpriced: dict[str, int] = {}
        self._former: set[tuple[str, str]] = set()
        self._carried: dict[tuple[str, str], int] = {}
        self._mids_before: dict[str, int] = {}

    def apply(self, event: Event) -> None:
        """Take the next event of the log."""
        header, message = event
        if type(message) is system.ServiceStarted:
            self._take_start(message)
        elif type(message) is system.EpochStarted:
            self.run.meta.commit = message.build
        elif type(message) is system.Tick:
            self._tick_ns = header.ts_ns
        elif type(message) is market.CaptureFinished:
            # Only a capture has an end.
            self._captures.add(message.venue)
        elif type(message) is system.CoreDigest:
            self._digests[message.service] = message.digest.hex()
        elif type(message) is market.InstrumentRules:
            self._check_units(message)
        symbol = self._marks.apply(event)
        is_inside = self._window[0] <= header.ts_ns < self._window[1]
        if symbol:
            self._take_mid(symbol, header.ts_ns, is_inside)
        if is_inside:
            self._seen = (self._seen[0] or header.ts_ns, header.ts_ns)
            self.run.counts.events += 1
            self._fold_in(event)
        elif type(message) in _ALWAYS:
            self._fold.apply(event)
        elif type(message) is orders.Fill and header.ts_ns < self._window[0]:
            self._take_former(message)

    def _check_units(self, rules: market.InstrumentRules) -> None:
        former = self._marks.rules.get(rules.symbol)
        if former is not None and not has_same_units(former, rules) and self.run.fills:
            raise JournalError(
                f"{rules.symbol} got another tick or lot after fills in the old ones: report the parts of "
                "the log apart (--until, --day)"
            )

    def _take_former(self, fill: orders.Fill) -> None:
        """Count a fill before the day: its position is carried over."""
        if (fill.symbol, fill.trade_id) not in self._former:
            self._former.add((fill.symbol, fill.trade_id))
            key = (fill.strategy, fill.symbol)
            self._carried[key] = self._carried.get(key, 0) + fill.side.sign * fill.qty_lots

    def _fold_in(self, event: Event) -> None:
        count = len(self.run.fills)
        if type(event.message) is orders.Fill:
            self._marks.rules_of(event.message.symbol, event.header.seq)
        try:
            self._fold.apply(event)
        except KeyError as error:
            raise JournalError(
                f"seq {event.header.seq}: {error.args[0]}; report a log that begins with the rules"
            ) from error
        if len(self.run.fills) > count:
            self._take_fill(event)

    def _take_fill(self, event: Event) -> None:
        """Give the newest fill its fee in the quote asset and its place among the mids."""
        fill: orders.Fill = event.message
        fills, rules = self.run.fills, self._marks.rules[fill.symbol]
        fee_atoms = fee_in_quote(fill, terms_of(rules), self._marks.fee_mark(fill.fee_asset, rules))
        if fee_atoms is None:
            self._unpriced[fill.fee_asset] = self._unpriced.get(fill.fee_asset, 0) + 1
        fills.fee_atoms[-1] = fee_atoms or 0
        self._data.update(f"{fill.symbol} {fill.trade_id} {fill.price_ticks} {fill.qty_lots};".encode())
        self._market(fills.market[-1]).take_fill(len(fills) - 1, event.header.ts_ns)

    def _take_mid(self, symbol: str, ts_ns: int, is_inside: bool) -> None:
        mid = self._marks.mids_half_ticks.get(symbol)
        if mid is not None:
            if not is_inside and ts_ns < self._window[0]:
                self._mids_before[symbol] = mid
            self._market(self._index(symbol)).take_mid(mid, ts_ns, is_inside)

    def _index(self, symbol: str) -> int:
        return next(at for at, rules in enumerate(self.run.markets) if rules.symbol == symbol)

    def _market(self, at: int) -> "_MarketMids":
        found = self._mids.get(at)
        if found is None:
            found = self._mids[at] = _MarketMids(self.run)
        return found

    def _take_start(self, message: system.ServiceStarted) -> None:
        self._settings.update(message.service.encode() + message.settings)
        if message.service == "broker":
            settings = unpack(message.settings, BrokerSettings)
            self.run.meta.source = settings.mode
            self._balance = settings.initial_balance
        elif message.service == "market_data":
            self._venues = unpack(message.settings, MarketDataSettings).venues

    def _sources(self) -> list[DataFile]:
        """Return where the market data came from; what may have been generated counts as generated."""
        found = []
        for venue in self._venues:
            is_recorded = venue.url == SIMULATED and (
                self._simulated == RECORDED or venue.name in self._captures
            )
            found.append(
                DataFile(
                    name=f"{venue.name} ({venue.url or 'its own hosts'})",
                    sha256="",
                    rows=0,
                    first_ns=0,
                    last_ns=0,
                    is_generated=bool(venue.url) and not is_recorded,
                    source=venue.url,
                )
            )
        return found

    def finish(self) -> Run:
        """Return the run."""
        run, meta = self.run, self.run.meta
        if self._day is not None and not self._seen[0]:
            raise JournalError(f"the log has no event on {self._day} (UTC)")
        run.data = self._sources()
        meta.from_ns, meta.until_ns = self._seen
        digests = " ".join(f"{service} {digest}" for service, digest in sorted(self._digests.items()))
        meta.digest = hashlib.sha256(digests.encode()).hexdigest()[:16] if digests else ""
        meta.settings_hash = self._settings.hexdigest()[:16]
        meta.data_hash = self._data.hexdigest()[:16]
        if self._balance and run.markets:
            meta.capital_atoms = int(self._balance.scaleb(run.markets[0].quote_exponent))
        rows = []
        for at, mids in self._mids.items():
            mids.finish(self._tick_ns)
            rows += [(ts_ns, at, mid) for ts_ns, mid in mids.marks()]
            meta.mark_step_ns = max(meta.mark_step_ns, mids.step_ns)
        rows.sort(key=lambda row: row[0])
        run.marks.ts_ns = array("q", [row[0] for row in rows])
        run.marks.market = array("H", [row[1] for row in rows])
        run.marks.mid_half_ticks = array("q", [row[2] for row in rows])
        for asset, count in sorted(self._unpriced.items()):
            meta.notes.append(
                f"{count} fills paid fees in {asset}, of which the log has no price: not counted."
            )
        self._carry_over()
        return run

    def _carry_over(self) -> None:
        """Begin the day with the positions that it began with, at the mid of then."""
        run = self.run
        names = [each.name for each in run.strategies]
        for (strategy, symbol), lots in sorted(self._carried.items()):
            mid = self._mids_before.get(symbol, 0)
            if not lots:
                continue
            if not mid:
                run.meta.notes.append(
                    f"{strategy} began the day with {lots} lots of {symbol}, of which no mid is known "
                    "before: what these gained or lost is not in these figures."
                )
                continue
            if strategy not in names:
                run.strategies.append(Strategy(strategy, ""))
                names.append(strategy)
            run.opening.append(Opening(self._index(symbol), names.index(strategy), lots, mid))
            run.meta.notes.append(f"{strategy} began with {lots} lots of {symbol}, carried over at the mid.")


_ALWAYS = (market.InstrumentRules, shadow.VersionStarted)
"""What is taken from before the day, too: it says what the day's orders are in."""


def _window(day: date | None) -> tuple[int, int]:
    """Return the first time of a UTC day and the first after it; all times without one."""
    if day is None:
        return 0, 2**63 - 1
    start = int(datetime.combine(day, time(), UTC_ZONE).timestamp()) * NS_PER_S
    return start, start + int(timedelta(days=1).total_seconds()) * NS_PER_S


class _MarketMids:
    """The mids of one market: what its fills wait for, and the extremes of each step."""

    def __init__(self, run: Run) -> None:
        self.step_ns = NS_PER_S
        self._run = run
        self._rows = array("q")
        self._times = array("q")
        self._next = [0] * len(HORIZONS_NS)
        self._mid = 0
        self._last_ns = 0
        self._steps: dict[int, tuple[int, int, int, int, int, int]] = {}

    def take_fill(self, row: int, ts_ns: int) -> None:
        """Note the mid at a fill; the later ones follow."""
        self._answer(ts_ns)
        self._run.fills.mid_half_ticks[row] = self._mid
        self._rows.append(row)
        self._times.append(ts_ns)

    def take_mid(self, mid: int, ts_ns: int, is_inside: bool) -> None:
        """Take the mid as it is from `ts_ns` on; it marks equity only inside the window."""
        self._answer(ts_ns)
        if mid == self._mid:
            return
        self._mid = mid
        if is_inside:
            self._mark(mid, ts_ns)

    def finish(self, tick_ns: int) -> None:
        """Answer what was due until the last event of the market, or the last tick of the log."""
        self._answer(max(self._last_ns + 1, tick_ns))

    def _answer(self, now_ns: int) -> None:
        """Answer every horizon before `now_ns`: until then the mid was what it is."""
        self._last_ns = max(self._last_ns, now_ns)
        for at, after_ns in enumerate(HORIZONS_NS):
            column, number = getattr(self._run.fills, MID_COLUMNS[at + 1]), self._next[at]
            while number < len(self._times) and self._times[number] + after_ns < now_ns:
                column[self._rows[number]] = self._mid
                number += 1
            self._next[at] = number

    def _mark(self, mid: int, ts_ns: int) -> None:
        key = ts_ns // self.step_ns
        found = self._steps.get(key)
        self._steps[key] = _joined(found, (ts_ns, mid, ts_ns, mid, ts_ns, mid))
        if len(self._steps) > STEPS_MAX:
            self._widen()

    def _widen(self) -> None:
        """Make steps twice as long."""
        self.step_ns *= 2
        wider: dict[int, tuple[int, int, int, int, int, int]] = {}
        for key, each in self._steps.items():
            wider[key // 2] = _joined(wider.get(key // 2), each)
        self._steps = wider

    def marks(self) -> list[tuple[int, int]]:
        """Return (time, mid) of the extremes and the end of each step, in the order of time."""
        found = []
        for high_ns, high, low_ns, low, last_ns, last in self._steps.values():
            found += sorted({(high_ns, high), (low_ns, low), (last_ns, last)})
        return found


Step = tuple[int, int, int, int, int, int]


def _joined(one: Step | None, other: Step) -> Step:
    """Return the extremes and the end of two neighbouring steps."""
    if one is None:
        return other
    high = one[:2] if one[1] >= other[1] else other[:2]
    low = one[2:4] if one[3] <= other[3] else other[2:4]
    return (*high, *low, *other[4:])
