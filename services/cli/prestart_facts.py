"""What the pre-start check knows: venues as they answer, positions as the log tells them (RK-15, RK-16)."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import apsw
import httpx2
import msgspec

from services.cli.config_model import Config
from services.cli.venue_ping import venue_answers
from services.market_data.addresses import Address, address_of
from services.market_data.instructions import FetchRest
from services.market_data.settings import SIMULATED, FeedVenue
from services.market_data.shell_remote import Listener, RemoteLink
from services.market_data.survey import Ask, Survey, SurveyError, survey, venue_time_ms
from services.risk.core import RiskCore
from services.venue_sim.build import make_venue
from shared.errors import QuotemeshError
from shared.hosting import CoreHost
from shared.instrument import venue_of
from shared.ledger import Ledger
from shared.messages import message_of
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid
from shared.runtime.clock import MeshClock
from shared.runtime.journal import JournalReader
from shared.runtime.paths import DataDir
from shared.runtime.retention import ledger_rows
from shared.runtime.snapshots import SnapshotStore
from shared.units import NS_PER_MS
from shared.venues.registry import ENTRIES

TIMEOUT_S = 5.0
PREFIXES = (b".fill", b".instrument")
_BROKEN_LOG = (QuotemeshError, apsw.Error, AssertionError, LookupError, ValueError, msgspec.MsgspecError)


@dataclass(slots=True, kw_only=True)
class VenueFacts:
    """One venue: who told (`venue`, `configuration`, or `capture`, which tells nothing yet), and what.

    `offset_ms` is the venue's clock less ours, `rtt_ms` the way there and back; `error` why it is silent.
    """

    name: str
    source: str
    address: str = ""
    error: str = ""
    offset_ms: int | None = None
    rtt_ms: int = 0
    survey: Survey = field(default_factory=Survey)


@dataclass(slots=True, kw_only=True)
class AccountFacts:
    """Positions and profit as the log tells them; nothing before the first start.

    `error` says why the log could not be read to its end. `balances` by venue and asset are those that venues
    told; None on paper.
    """

    ledger: Ledger = field(default_factory=Ledger)
    rules: dict[str, InstrumentRules] = field(default_factory=dict)
    centiticks: dict[str, int] = field(default_factory=dict)
    head_seq: int = 0
    error: str = ""
    balances: dict[tuple[str, str], Decimal] | None = None

    def positions(self) -> list[tuple[str, str, int]]:
        """Return (strategy, market, lots) of everything that is held."""
        held = self.ledger.by_strategy.items()
        return [(a, b, int(p.position_lots)) for (a, b), p in sorted(held) if p.position_lots]


def venue_facts(cfg: Config, data: DataDir) -> list[VenueFacts]:
    """Return what each venue says; a simulated one that does not run is asked inside this process."""
    is_running = venue_answers(data)
    found = []
    for venue in cfg.market_data.venues:
        if venue.name in ENTRIES:
            is_silent = venue.url == SIMULATED and not is_running
            facts = VenueFacts(name=venue.name, source="configuration")
            found.append(facts if is_silent else asyncio.run(_asked_through_ccxt(venue, data)))
            continue
        if venue.url != SIMULATED or is_running:
            found.append(_asked(venue, data))
        elif cfg.venue_sim.mode == "generate":
            found.append(_imagined(venue, cfg))
        else:
            found.append(VenueFacts(name=venue.name, source="capture"))
    return found


def _asked(venue: FeedVenue, data: DataDir) -> VenueFacts:
    """Ask a venue over the network."""
    facts = VenueFacts(name=venue.name, source="venue")
    ports: dict[str, int] = {}
    if venue.url == SIMULATED:
        kept = json.loads((data.run / "venue_sim.json").read_bytes())
        ports = {name: int(entry["port"]) for name, entry in kept.items()}
    address = address_of(venue, ports)
    if address is None:
        facts.error = "the simulated venue has not said its port"
        return facts
    facts.address = address.rest
    with httpx2.Client(timeout=TIMEOUT_S, trust_env=venue.url != SIMULATED) as client:

        def ask(target: str) -> tuple[int, bytes]:
            answer = client.get(address.rest + target)
            return answer.status_code, answer.content

        try:
            _read_clock(facts, ask, lambda: _now_ns(venue, data))
            facts.survey = survey(venue, ask)
        except (OSError, httpx2.HTTPError, SurveyError) as error:
            facts.error = f"{type(error).__name__}: {error}"[:300]
    return facts


async def _asked_through_ccxt(venue: FeedVenue, data: DataDir) -> VenueFacts:
    """Ask a venue through its child process."""
    facts = VenueFacts(name=venue.name, source="venue", address="ccxt")
    answers: dict[str, tuple[int, bytes]] = {}
    link = RemoteLink(venue, lambda _: _sim_address(venue, data), Listener.deaf())
    try:
        for request_id, name in enumerate(venue.symbols):
            for target in (f"rules/{name}", f"quote/{name}"):
                asked_s = time.monotonic()
                answers[target] = await link.ask(FetchRest(request_id, venue.name, target))
                facts.rtt_ms = int((time.monotonic() - asked_s) * 1000)
        failed = next((body for status, body in answers.values() if status == 0), b"")
        facts.error = link.failure or failed.decode(errors="replace")
        if not facts.error:
            facts.survey = survey(venue, lambda target: answers[target.replace("book/", "quote/")])
    except SurveyError as error:
        facts.error = str(error)
    finally:
        await link.close()
    return facts


def _sim_address(venue: FeedVenue, data: DataDir) -> Address:
    kept = json.loads((data.run / "venue_sim.json").read_bytes())
    found = address_of(venue, {name: int(entry["port"]) for name, entry in kept.items()})
    assert found is not None, "the simulated venue runs, so its port is known"
    return found


def _imagined(venue: FeedVenue, cfg: Config) -> VenueFacts:
    """Ask the simulated venue that the configuration describes, as it will be when it starts."""
    facts = VenueFacts(name=venue.name, source="configuration")
    simulated = make_venue(cfg.venue_sim)
    now_ns = simulated.origin_ns
    simulated.advance(now_ns)
    facts.survey = survey(venue, lambda target: simulated.request(venue.name, "GET", target, now_ns))
    return facts


def _read_clock(facts: VenueFacts, ask: Ask, now_ns: Callable[[], int]) -> None:
    before_ns = now_ns()
    venue_ms = venue_time_ms(facts.name, ask)
    after_ns = now_ns()
    facts.offset_ms = venue_ms - (before_ns + after_ns) // 2 // NS_PER_MS
    facts.rtt_ms = (after_ns - before_ns) // NS_PER_MS


def _now_ns(venue: FeedVenue, data: DataDir) -> int:
    """Return our clock as this venue should have it: the simulated one lives in mesh time."""
    if venue.url == SIMULATED:
        try:
            return MeshClock(data).now_ns()
        except QuotemeshError:
            pass
    return time.time_ns()


def account_facts(data: DataDir) -> AccountFacts:
    """Return the account at the end of the log: risk's newest snapshot, and the fills after it."""
    facts = AccountFacts()
    if not any(data.journal.glob("*.sqlite")):
        return facts
    try:
        _read_log(facts, data)
    except _BROKEN_LOG as error:
        facts.error = f"{type(error).__name__}: {error}"[:500]
    return facts


def _read_log(facts: AccountFacts, data: DataDir) -> None:
    after_seq = _restored(facts, data)
    reader = JournalReader(data.journal)
    try:
        facts.head_seq = reader.head_seq()
        first_seq = reader.first_seq()
        if not after_seq:
            for row in ledger_rows(data.journal, min(first_seq, facts.head_seq + 1)):
                _book(facts, row.body)
        for row in reader.rows(max(after_seq, first_seq - 1), facts.head_seq, PREFIXES):
            _book(facts, row.body)
    finally:
        reader.close()


def _restored(facts: AccountFacts, data: DataDir) -> int:
    """Take the ledger of risk's newest snapshot that this build can read; return its seq, else 0."""
    if not data.snapshots.is_dir():
        return 0
    for snapshot in SnapshotStore(data.snapshots, "risk").newest_first():
        core = RiskCore()
        try:
            CoreHost(core).restore(snapshot.state)
        except ValueError:
            continue
        facts.ledger = core.known.ledger
        for symbol, place in core.known.markets.items():
            if place.rules is not None:
                facts.rules[symbol] = place.rules
            if place.mark_centiticks is not None:
                facts.centiticks[symbol] = place.mark_centiticks
        return snapshot.seq
    return 0


def _book(facts: AccountFacts, body: bytes) -> None:
    message = message_of(body)
    if isinstance(message, InstrumentRules):
        facts.rules[message.symbol] = message
        facts.ledger.register_rules(message)
    elif isinstance(message, Fill):
        facts.ledger.apply(message)
        facts.centiticks.setdefault(message.symbol, message.price_ticks * 100)
    elif isinstance(message, FundingPaid):
        facts.ledger.apply_funding(message)


def venues_by_name(facts: list[VenueFacts]) -> dict[str, VenueFacts]:
    """Return the facts by venue."""
    return {one.name: one for one in facts}


def rules_of(symbol: str, venues: dict[str, VenueFacts], account: AccountFacts) -> InstrumentRules | None:
    """Return the rules of a market: the venue's, else those on the log."""
    venue = venues.get(venue_of(symbol))
    found = venue.survey.rules.get(symbol) if venue is not None else None
    return found if found is not None else account.rules.get(symbol)


def price_centiticks(symbol: str, venues: dict[str, VenueFacts], account: AccountFacts) -> int:
    """Return the price of a market: the venue's, else the last one on the log; 0 when none is known."""
    venue = venues.get(venue_of(symbol))
    half_ticks = venue.survey.half_ticks.get(symbol, 0) if venue is not None else 0
    return half_ticks * 50 or account.centiticks.get(symbol, 0)
