"""The judgement of a seed: the venue's own ledger against the log, when all faults are over.

Nothing here is shared with what is judged: orders, fills and money are worked out again from the log alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from services.fused.live_witness import Witness
from shared.double_entry import asset_exponent, terms_of
from shared.messages import Event, Message, orders
from shared.messages.market import InstrumentRules
from shared.messages.venue import EXTERNAL, VenueLink
from shared.order_ids import PARTS, slot_of
from shared.units import NS_PER_MS, NS_PER_S

UNKNOWN_MAX_NS = 22 * NS_PER_S
"""An order may be in doubt for so long while the venue answers and its private stream delivers: 17 s of
evidence (decision 3), the last cancel, and a question that still hangs from before (I-05)."""


class TruthOrder(NamedTuple):
    """One order as the venue's ledger has it; `ended_ms` is 0 while it is open."""

    symbol: str
    client_order_id: str
    side: int
    price_ticks: int
    qty_lots: int
    filled_lots: int
    created_ms: int
    ended_ms: int


class TruthFill(NamedTuple):
    """One execution of the account as the venue's ledger has it."""

    symbol: str
    trade_id: str
    client_order_id: str
    side: int
    price_ticks: int
    qty_lots: int
    fee: Decimal
    fee_asset: str


class Truth(NamedTuple):
    """What the venues hold of the account at the end. `changes` is what each asset or position gained."""

    orders: list[TruthOrder]
    fills: list[TruthFill]
    changes: Mapping[str, Decimal]


_ENDS = (orders.OrderCanceled, orders.OrderExpired, orders.OrderRejected, orders.NotSent, orders.OrderRefused)


class LogFold:
    """Orders, fills and unknown times of a log, worked out from its messages."""

    def __init__(self) -> None:
        self.rules: dict[str, InstrumentRules] = {}
        self.fills: list[orders.Fill] = []
        self.intents: dict[str, orders.OrderIntent] = {}
        self.sent: Counter[str] = Counter()
        self.approved_lots: dict[str, int] = {}
        self.over: dict[str, type[Message]] = {}
        self.unknown_ns: dict[str, int] = {}
        self.waits_ns: list[tuple[str, int, int]] = []
        self.reported: set[str] = set()
        self._up_ns: dict[str, int] = {}

    def take(self, log: Iterable[Event]) -> "LogFold":
        """Fold events in order."""
        for event in log:
            self._take(event)
        return self

    def _take(self, event: Event) -> None:
        message = event.message
        if isinstance(message, InstrumentRules):
            self.rules[message.symbol] = message
        elif isinstance(message, VenueLink):
            is_up = message.is_reachable and message.is_user_stream_up
            self._up_ns[message.venue] = event.header.ts_ns if is_up else 0
        elif isinstance(message, orders.OrderIntent):
            self.intents[message.client_order_id] = message
        elif isinstance(message, orders.OrderUnknown):
            self.unknown_ns.setdefault(message.client_order_id, event.header.ts_ns)
            self.reported.add(message.client_order_id)
        elif isinstance(message, orders.Fill):
            self.fills.append(message)
            self._known(message.client_order_id, event)
            if message.leaves_lots == 0:
                self.over[message.client_order_id] = type(message)
        elif isinstance(message, orders._OrderMessage) and not isinstance(message, orders.CancelIntent):
            self._report(message, event)

    def _report(self, message: orders._OrderMessage, event: Event) -> None:
        if isinstance(message, orders.OrderApproved | orders.OrderAdjusted):
            self.approved_lots[message.client_order_id] = message.qty_lots
        if isinstance(message, orders.OrderSent):
            self.sent[message.client_order_id] += 1
        if isinstance(message, orders.OrderAccepted | orders.OrderSent | _ENDS[0] | _ENDS[1] | _ENDS[2]):
            self.reported.add(message.client_order_id)
        if isinstance(message, orders.OrderAccepted | _ENDS[0] | _ENDS[1] | _ENDS[2]):
            self._known(message.client_order_id, event)
        if isinstance(message, _ENDS):
            self.over[message.client_order_id] = type(message)

    def _known(self, order_id: str, event: Event) -> None:
        since_ns = self.unknown_ns.pop(order_id, None)
        if since_ns is not None:
            up_ns = self._up_ns.get(event.message.symbol.partition(":")[0], 0)
            self.waits_ns.append((order_id, max(since_ns, up_ns), event.header.ts_ns))


def is_ours(order_id: str) -> bool:
    """Return whether a client order id is one that a strategy of ours made."""
    return order_id.count("-") == PARTS - 1


def judge(log: Sequence[Event], truth: Truth, witness: Witness, calm_ns: int) -> list[str]:
    """Return every claim of docs/campaigns.md that does not hold; `calm_ns` is when the faults ended."""
    fold = LogFold().take(log)
    return [
        *witness.problems,
        *judge_ledger(log, truth, calm_ns),
        *_departures(truth.orders, witness),
        *_conservation(witness, fold),
    ]


def judge_ledger(log: Sequence[Event], truth: Truth, calm_ns: int) -> list[str]:
    """Return what log and ledger say differently, and what each of them says that must not be."""
    fold = LogFold().take(log)
    return [
        *_slots(truth.orders),
        *_approvals(truth.orders, fold),
        *_fills(truth.fills, fold),
        *_ends(truth.orders, fold),
        *_sums(truth, fold),
        *_unknown(fold, calm_ns),
    ]


def _slots(truth: Sequence[TruthOrder]) -> list[str]:
    """Check that the venue never held two orders of one slot (I-04)."""
    by_slot: dict[tuple[str, str, str], list[TruthOrder]] = defaultdict(list)
    for order in truth:
        if is_ours(order.client_order_id):
            strategy = order.client_order_id.split("-")[1]
            by_slot[order.symbol, strategy, slot_of(order.client_order_id)].append(order)
    problems = []
    ids = Counter(order.client_order_id for order in truth if is_ours(order.client_order_id))
    problems += [f"the venue took {key} {n} times (I-03)" for key, n in ids.items() if n > 1]
    for slot, held in by_slot.items():
        held.sort(key=lambda one: (one.created_ms, one.ended_ms or 1 << 62))
        for former, later in pairwise(held):
            if not former.ended_ms or later.created_ms < former.ended_ms:
                problems.append(
                    f"slot {slot}: the venue held {former.client_order_id} and {later.client_order_id} "
                    f"at once (I-04)"
                )
    return problems


def _approvals(truth: Sequence[TruthOrder], fold: LogFold) -> list[str]:
    """Check each order at the venue against its approval (I-01)."""
    problems = []
    for order in truth:
        approved = fold.approved_lots.get(order.client_order_id, 0)
        if is_ours(order.client_order_id) and order.qty_lots > approved:
            problems.append(
                f"{order.client_order_id}: {order.qty_lots} lots at the venue, {approved} approved (I-01)"
            )
    return problems


def _departures(truth: Sequence[TruthOrder], witness: Witness) -> list[str]:
    """Check that every order at the venue was seen to leave."""
    ours = [order.client_order_id for order in truth if is_ours(order.client_order_id)]
    return [f"{key} is at the venue but never left us" for key in ours if key not in witness.creates]


def _fills(truth: Sequence[TruthFill], fold: LogFold) -> list[str]:
    """Check that every execution of the account stands on the log once, as it was (I-15)."""
    wanted = {(fill.symbol, fill.trade_id): fill for fill in truth}
    counts = Counter((fill.symbol, fill.trade_id) for fill in fold.fills)
    problems = [f"fill {key} stands {n} times on the log (I-15)" for key, n in counts.items() if n > 1]
    problems += [f"fill {key} is lost: {wanted[key]} (I-15)" for key in sorted(wanted.keys() - counts.keys())]
    problems += [f"fill {key} never happened at the venue" for key in sorted(counts.keys() - wanted.keys())]
    for fill in fold.fills:
        true = wanted.get((fill.symbol, fill.trade_id))
        if true is None:
            continue
        if (true.side, true.price_ticks, true.qty_lots) != (fill.side, fill.price_ticks, fill.qty_lots):
            problems.append(f"fill {fill.trade_id} of {fill.symbol} is {fill}, at the venue {true}")
        if is_ours(true.client_order_id) and true.client_order_id != fill.client_order_id:
            problems.append(
                f"fill {fill.trade_id} of {true.client_order_id} is booked on {fill.client_order_id}"
            )
        if not is_ours(true.client_order_id) and fill.strategy != EXTERNAL:
            problems.append(f"fill {fill.trade_id} of another is booked on {fill.strategy} (I-19)")
        fee = fee_of(fill, fold.rules[fill.symbol])
        if (fee, fill.fee_asset) != (true.fee, true.fee_asset):
            problems.append(
                f"fee of {fill.trade_id} is {fee} {fill.fee_asset}, "
                f"at the venue {true.fee} {true.fee_asset} (I-16)"
            )
    return problems


def _ends(truth: Sequence[TruthOrder], fold: LogFold) -> list[str]:
    """Check that what is open at the venue is open on the log, and nothing else (no orphans)."""
    is_open = {one.client_order_id for one in truth if not one.ended_ms and is_ours(one.client_order_id)}
    at_venue = {one.client_order_id for one in truth}
    over, known = fold.over.keys(), fold.intents.keys()
    problems = [f"orphan: {key} is open at the venue, over on the log" for key in sorted(is_open & over)]
    problems += [f"orphan: {key} is open at the venue, not on the log" for key in sorted(is_open - known)]
    problems += [f"orphan: {key} was to be withdrawn and is open" for key in sorted(is_open - over)]
    alive = sorted(fold.approved_lots.keys() - over - is_open)
    problems += [f"{key} was approved, is not at the venue, and has no end on the log" for key in alive]
    rejected = {key for key, how in fold.over.items() if how in {orders.OrderRejected, orders.NotSent}}
    problems += [
        f"{key} is at the venue, yet the log has it refused or not sent"
        for key in sorted(rejected & at_venue)
    ]
    return problems


def _sums(truth: Truth, fold: LogFold) -> list[str]:
    """Check position and cash against the venue's balances, to the unit (I-16)."""
    changes: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fold.fills:
        rules = fold.rules[fill.symbol]
        venue = fill.symbol.partition(":")[0]
        lots = fill.side.sign * fill.qty_lots
        value = Decimal(fill.price_ticks * lots * rules.tick_lot_atoms).scaleb(-rules.quote_exponent)
        fee = fee_of(fill, rules)
        if rules.is_derivative:
            changes[fill.symbol] += lots
            continue
        changes[f"{venue} {rules.base_asset}"] += lots * Decimal(rules.lot_size)
        changes[f"{venue} {rules.quote_asset}"] -= value
        changes[f"{venue} {fill.fee_asset}"] -= fee
    problems = []
    for key in sorted(changes.keys() | truth.changes.keys()):
        ours, theirs = changes.get(key, Decimal(0)), truth.changes.get(key, Decimal(0))
        if ours != theirs:
            problems.append(f"{key} changed by {theirs} at the venue, by {ours} on the log (I-16)")
    return problems


def fee_of(fill: orders.Fill, rules: InstrumentRules) -> Decimal:
    """Return the fee of a fill in its asset."""
    return Decimal(fill.fee_atoms).scaleb(-asset_exponent(fill.fee_asset, terms_of(rules)))


def _unknown(fold: LogFold, calm_ns: int) -> list[str]:
    """Check that doubt ends in time once the venue answers (I-05)."""
    problems = [f"{key} is still unknown at the end (I-05)" for key in sorted(fold.unknown_ns)]
    for key, since_ns, until_ns in fold.waits_ns:
        waited_ns = until_ns - max(since_ns, calm_ns)
        if waited_ns > UNKNOWN_MAX_NS:
            problems.append(
                f"{key} was unknown for {waited_ns // NS_PER_MS} ms with the venue answering (I-05)"
            )
    return problems


def _conservation(witness: Witness, fold: LogFold) -> list[str]:
    """Check that what left equals what was said to have left (I-13)."""
    problems = [f"OrderSent of {key} stands {n} times" for key, n in fold.sent.items() if n > 1]
    silent = sorted(key for key in witness.creates if key not in fold.reported)
    problems += [f"create {key} left us, but the log never says so (I-13)" for key in silent]
    ghosts = sorted(fold.sent.keys() - witness.creates.keys())
    problems += [f"OrderSent of {key}, but nothing left us (I-13)" for key in ghosts]
    return problems
