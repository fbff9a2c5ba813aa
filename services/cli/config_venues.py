"""The `venues` of a configuration: where prices come from, and in testnet and live where orders go.

network    prices and orders of one venue always come from and go to the same network
sim        the simulated venue of this mesh: a rehearsal of the live path without internet
testnet, demo, live     the venue's own hosts (shared table below); hosts can be replaced one by one
own        `url` names a host itself, as a proxy or another simulated venue
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

from services.broker.binance.settings import ENDPOINTS
from services.broker.settings import MarginType, Network, VenueAccess
from services.cli.config_check import near_miss, read
from services.cli.config_model import VENUES, Seed
from services.cli.config_remote import TESTNET, check_remote, given_for
from services.cli.config_text import Problem, Tree
from services.market_data.settings import SIMULATED, FeedVenue
from shared.instrument import venue_of, venue_symbol
from shared.settings import Doc, Ge, Gt, Le
from shared.venues.registry import ENTRIES


class Hosts(NamedTuple):
    """Base URLs of one network of a venue, without a final slash."""

    rest: str
    stream: str
    api: str


HOSTS: Mapping[tuple[str, str], Hosts] = {
    place: Hosts(there.rest, there.stream, there.api) for place, there in ENDPOINTS.items()
}
"""Hosts of each network. They have moved twice: `url`, `stream_url` and `api_url` replace them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueEntry(FeedVenue):
    """One block under `venues`: what the feed and the broker need of a venue."""

    network: Annotated[
        Literal["", "testnet", "demo", "live"],
        Doc("which of the venue's networks when `url` is empty; empty: live, in mode testnet its testnet"),
    ] = ""
    api_url: Annotated[
        str, Doc("URL of the WebSocket API with its path, for orders; empty is the network's")
    ] = ""
    key: Annotated[
        str, Doc("name of the API key that signs (`keys add`); needed in testnet and live, not for `sim`")
    ] = ""
    canceller_key: Annotated[
        str, Doc("name of a key of its own for the canceller; empty: the same, and its request limits")
    ] = ""
    recv_window_ms: Annotated[
        int, Gt(0), Le(60_000), Doc("how late a signed request may arrive at the venue")
    ] = 2000
    seed: Annotated[
        Mapping[str, Decimal],
        Doc(
            "spot, mode testnet: what the account is to hold of an asset; what lacks is bought, `{BTC: 0.1}`"
        ),
    ] = field(default_factory=dict)
    leverage: Annotated[
        int,
        Ge(0),
        Le(125),
        Doc("set at the venue for each derivative at the start; 0 leaves what is there"),
    ] = 0
    margin_type: Annotated[
        MarginType,
        Doc("`isolated` or `crossed`, set at the venue for each derivative at the start; empty leaves it"),
    ] = ""


class Venues(NamedTuple):
    """The feed's venues and, in testnet and live, the accounts of the broker; `cancels` for the canceller."""

    feed: tuple[FeedVenue, ...]
    accounts: tuple[VenueAccess, ...]
    cancels: tuple[VenueAccess, ...]
    seeds: tuple[Seed, ...]


def read_venues(written: Tree, symbols: Iterable[str], mode: str, problems: list[Problem]) -> Venues:
    """Return the venues of the file for `mode`, adding what is wrong to `problems`."""
    if written == "":
        written = {}
    if not isinstance(written, dict):
        problems.append(Problem(("venues",), "`venue:` blocks are due here, as `binance_usdm: {url: sim}`"))
        written = {}
    problems += [
        Problem(("venues", name), f"unknown venue; {near_miss(name, VENUES)}")
        for name in written
        if name not in VENUES
    ]
    feed: list[FeedVenue] = []
    accounts: list[VenueAccess] = []
    cancels: list[VenueAccess] = []
    seeds: list[Seed] = []
    for name in VENUES:
        markets = tuple(venue_symbol(symbol) for symbol in symbols if venue_of(symbol) == name)
        if not markets and name not in written:
            continue
        path = ("venues", name)
        before = len(problems)
        _check_urls(written.get(name, {}), path, problems)
        given = {"name": name, "symbols": markets, **given_for(name, written.get(name, {}))}
        entry = read(VenueEntry, written.get(name, {}), path, problems, given)
        if not markets or entry is None or len(problems) > before:
            continue
        if name in ENTRIES:
            check_remote(name, markets, (mode, entry.network, entry.url, entry.proxy), path, problems)
            if len(problems) > before:
                continue
        network = _network(entry, mode, path, problems)
        hosts = _hosts(entry, network)
        feed.append(_feed(entry, network, hosts))
        if mode != "paper":
            accounts.append(_account(entry, network, hosts, path, problems))
            seeds += _seeds(entry, mode, path, problems)
            cancels.append(replace(accounts[-1], key=entry.canceller_key or accounts[-1].key))
    return Venues(tuple(feed), tuple(accounts), tuple(cancels), tuple(seeds))


def _network(entry: VenueEntry, mode: str, path: tuple[str, ...], problems: list[Problem]) -> Network:
    """Return the network of an entry; a network of another kind of money than `mode` is a problem."""
    if entry.url == SIMULATED:
        if mode == "live":
            text = 'a simulated venue takes no live order; write `url: ""`, or `mode: testnet` to rehearse'
            problems.append(Problem((*path, "url"), text))
        return "sim"
    own = (urlsplit(entry.url).hostname or "") if entry.url else ""
    network: Network = entry.network or ("testnet" if mode == "testnet" else "live")
    if own:
        network = _network_of_host(own)
    if mode == "testnet" and network == "live":
        where = own or "network live"
        text = f"{where} is real money, and the mode is testnet: mend one of the two"
        problems.append(Problem((*path, "url" if own else "network"), text))
    if mode == "live" and network in {"testnet", "demo"}:
        text = f"network {network} is play money, and the mode is live: mend one of the two"
        problems.append(Problem((*path, "url" if own else "network"), text))
    return network


def _network_of_host(host: str) -> Network:
    """Return to which network a host belongs, `own` when it is none of the venue's."""
    for (_, network), hosts in HOSTS.items():
        if host in {urlsplit(url).hostname for url in hosts}:
            return cast(Network, network)
    # api1, api-gcp and others: what is the venue's and no play money is real money.
    return "live" if host.endswith((".binance.com", ".binance.vision")) else "own"


def _hosts(entry: VenueEntry, network: Network) -> Hosts:
    """Return the hosts of an entry: those written, else the network's, else what follows from `url`."""
    rest, stream, api = entry.url.rstrip("/"), entry.stream_url.rstrip("/"), entry.api_url.rstrip("/")
    if network == "sim" or (entry.name in ENTRIES and network != TESTNET):
        return Hosts("", "", "")
    if entry.name in ENTRIES:
        return Hosts(TESTNET, "", "")  # a word for the child: ccxt knows the hosts
    if not rest:
        known = HOSTS[entry.name, network]
        return Hosts(known.rest, stream or known.stream, api or known.api)
    socket = rest.replace("http", "ws", 1)
    path = "/ws-api/v3" if entry.name == "binance" else "/ws-fapi/v1"
    return Hosts(rest, stream or socket, api or socket + path)


def _feed(entry: VenueEntry, network: Network, hosts: Hosts) -> FeedVenue:
    """Return what market_data needs; the venue's own live hosts stay its default."""
    is_default = network in {"sim", "live"}
    return FeedVenue(
        name=entry.name,
        symbols=entry.symbols,
        url=entry.url if is_default else hosts.rest,
        stream_url=entry.stream_url if is_default else hosts.stream,
        maker_fee_ppm=entry.maker_fee_ppm,
        taker_fee_ppm=entry.taker_fee_ppm,
        depth_channel=entry.depth_channel,
        depth_levels=entry.depth_levels,
        proxy=entry.proxy,
    )


def _account(
    entry: VenueEntry, network: Network, hosts: Hosts, path: tuple[str, ...], problems: list[Problem]
) -> VenueAccess:
    """Return what the broker needs: without the name of a key nothing can be signed."""
    if network != "sim" and not entry.key:
        text = "missing; `quotemesh keys add NAME` stores a key, and its name is due here"
        problems.append(Problem((*path, "key"), text))
    return VenueAccess(
        name=entry.name,
        symbols=entry.symbols,
        network=network,
        rest_url=hosts.rest,
        stream_url=hosts.stream,
        api_url=hosts.api,
        key=entry.key or ("sim" if network == "sim" else ""),
        proxy=entry.proxy,
        recv_window_ms=entry.recv_window_ms,
        leverage=entry.leverage,
        margin_type=entry.margin_type,
    )


def _seeds(entry: VenueEntry, mode: str, path: tuple[str, ...], problems: list[Problem]) -> list[Seed]:
    """Return the inventory that a testnet account is to hold; real money is never spent on it."""
    for asset, amount in entry.seed.items():
        if amount <= 0:
            problems.append(Problem((*path, "seed", asset), f"an amount above 0 is due here, not {amount}"))
    if entry.seed and mode == "live":
        text = "is bought in mode testnet only: remove it, and buy with real money yourself"
        problems.append(Problem((*path, "seed"), text))
    return [Seed(entry.name, asset.upper(), amount) for asset, amount in entry.seed.items()]


def _check_urls(written: Tree, path: tuple[str, ...], problems: list[Problem]) -> None:
    schemes_by_key: dict[str, tuple[str, ...]] = {
        "url": ("http", "https"),
        "stream_url": ("ws", "wss"),
        "api_url": ("ws", "wss"),
    }
    for key, schemes in schemes_by_key.items():
        url: Any = written.get(key, "") if isinstance(written, dict) else ""
        if url == "" or (key != "api_url" and url == SIMULATED) or not isinstance(url, str):
            continue
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            text = f"{url!r} is no address; write `sim`, or {schemes[1]}://host"
            problems.append(Problem((*path, key), text))
