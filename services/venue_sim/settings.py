"""What the simulated venue plays, to whom it listens, and which faults it injects."""

from dataclasses import dataclass
from typing import Annotated, Literal

from shared.settings import Doc, Ge, Gt, Le, MinLen

Mode = Literal["generate", "capture"]
RegimeName = Literal["mixed", "trend", "jump", "adverse", "quiet"]
KeyType = Literal["hmac", "ed25519", "rsa"]
FaultKind = Literal["drop", "double", "swap", "cut", "delay"]

# 2024-01-01 00:00 UTC: where generated time starts when no mesh clock says otherwise (virtual time).
GENERATED_ORIGIN_NS = 1_704_067_200_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    """One generated market."""

    symbol: Annotated[str, Doc("market name, `binance:BTCUSDT` (spot) or `binance_usdm:BTCUSDT`")]
    tick_size: Annotated[str, Doc("price step as a decimal text")]
    lot_size: Annotated[str, Doc("quantity step as a decimal text")]
    start_price: Annotated[str, Doc("first price; a spot market follows the USD-M market of its name")]
    touch_lots: Annotated[int, Gt(0), Doc("typical quantity of one order near the touch, in lots")] = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSettings:
    """A fault of the streams: what happens to which frames."""

    kind: Annotated[FaultKind, Doc("drop, double, swap with the next, cut the connections, delay")]
    venue: Annotated[str, Doc("`binance` or `binance_usdm`; empty for both")] = ""
    stream: Annotated[
        str, Doc("stream as a client names it, e.g. `btcusdt@depth`; empty for every stream")
    ] = ""
    count: Annotated[int, Ge(1), Le(1_000_000), Doc("how many of the next frames")] = 1
    delay_ms: Annotated[int, Ge(0), Le(3_600_000), Doc("how much later, in mesh time; only for delay")] = 0
    skip: Annotated[int, Ge(0), Doc("how many frames of the stream pass first")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSchedule:
    """Faults drawn from an integer hash of a seed and the number of the frame."""

    seed: Annotated[int, Ge(0), Doc("which faults come when; the same seed repeats them")] = 0
    every_frames: Annotated[int, Ge(0), Doc("one fault in so many frames on average; 0 for none")] = 0
    kinds: Annotated[tuple[FaultKind, ...], MinLen(1), Doc("which kinds are drawn")] = (
        "drop",
        "double",
        "swap",
        "cut",
        "delay",
    )
    delay_ms: Annotated[int, Ge(0), Le(60_000), Doc("how much later a delayed frame comes, mesh time")] = 500


DEFAULT_MARKETS = (
    MarketSettings(
        symbol="binance_usdm:BTCUSDT", tick_size="0.10", lot_size="0.001", start_price="60000", touch_lots=400
    ),
    MarketSettings(
        symbol="binance_usdm:ETHUSDT",
        tick_size="0.01",
        lot_size="0.001",
        start_price="3000",
        touch_lots=8_000,
    ),
    MarketSettings(
        symbol="binance:BTCUSDT", tick_size="0.01", lot_size="0.00001", start_price="60000", touch_lots=20_000
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSettings:
    """Money of an account."""

    asset: Annotated[str, Doc("asset as the venue names it, `USDT`")]
    amount: Annotated[str, Doc("amount as a decimal text")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """An account of the simulated venue, with one key."""

    name: Annotated[str, MinLen(1), Doc("name of the account on the control port and in the ledger")] = "sim"
    api_key: Annotated[str, Doc("key as clients send it; empty makes one from the seed")] = ""
    key_type: Annotated[KeyType, Doc("what the key signs with")] = "hmac"
    secret: Annotated[
        str, Doc("HMAC secret, or the public key as PEM; empty makes an HMAC secret from the seed")
    ] = ""
    can_withdraw: Annotated[bool, Doc("the key may withdraw; the broker must refuse such a key")] = False
    allowed_addresses: Annotated[
        tuple[str, ...], Doc("addresses from which the key is accepted; empty for all")
    ] = ()
    spot: Annotated[tuple[BalanceSettings, ...], Doc("balances on spot")] = (
        BalanceSettings(asset="USDT", amount="1000000"),
        BalanceSettings(asset="BTC", amount="20"),
        BalanceSettings(asset="ETH", amount="400"),
        BalanceSettings(asset="BNB", amount="1000"),
    )
    usdm: Annotated[tuple[BalanceSettings, ...], Doc("balances of the USD-M wallet")] = (
        BalanceSettings(asset="USDT", amount="1000000"),
    )
    spot_maker_ppm: Annotated[int, Ge(-10_000), Le(10_000), Doc("spot maker commission, millionths")] = 1_000
    spot_taker_ppm: Annotated[int, Ge(-10_000), Le(10_000), Doc("spot taker commission, millionths")] = 1_000
    usdm_maker_ppm: Annotated[int, Ge(-10_000), Le(10_000), Doc("USD-M maker commission, millionths")] = 200
    usdm_taker_ppm: Annotated[int, Ge(-10_000), Le(10_000), Doc("USD-M taker commission, millionths")] = 500
    pays_fees_in_bnb: Annotated[bool, Doc("spot commissions are taken in BNB, a quarter less")] = False
    is_hedge: Annotated[bool, Doc("long and short positions of a USD-M market beside each other")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSimSettings:
    """Settings of `services.venue_sim`."""

    mode: Annotated[Mode, Doc("`generate` makes seeded order flow, `capture` plays `files`")] = "generate"
    files: Annotated[tuple[str, ...], Doc("captures to play: gzip lines of `receive_ns frame`")] = ()
    allow_truncated: Annotated[bool, Doc("play a capture whose end is cut off up to its last whole line")] = (
        False
    )
    exchange_info: Annotated[
        str, Doc("file with the venue's exchangeInfo; empty derives it from the data")
    ] = ""
    seed: Annotated[int, Ge(0), Doc("the same seed makes the same market")] = 1
    regime: Annotated[RegimeName, Doc("kind of generated market; mixed changes each minute")] = "mixed"
    markets: Annotated[tuple[MarketSettings, ...], MinLen(1), Doc("generated markets")] = DEFAULT_MARKETS
    funding_interval_s: Annotated[
        int, Ge(60), Le(86_400), Doc("generated perpetuals pay funding this often, from midnight UTC on")
    ] = 28_800
    origin_ns: Annotated[int, Ge(0), Doc("mesh time at which generated time starts without a clock")] = (
        GENERATED_ORIGIN_NS
    )
    faults: Annotated[tuple[FaultSettings, ...], Doc("stream faults from the start")] = ()
    fault_schedule: Annotated[FaultSchedule, Doc("seeded stream faults")] = FaultSchedule()
    binance_port: Annotated[
        int, Ge(0), Le(65535), Doc("port of the spot venue; 0 picks one and keeps it")
    ] = 0
    binance_usdm_port: Annotated[int, Ge(0), Le(65535), Doc("port of the USD-M venue; 0 picks and keeps")] = 0
    control_port: Annotated[int, Ge(0), Le(65535), Doc("port of /sim/status and /sim/faults; 0 picks")] = 0
    client_queue_frames: Annotated[
        int, Ge(100), Doc("frames waiting for one client before it is disconnected as too slow")
    ] = 20_000
    accounts: Annotated[
        tuple[AccountSettings, ...], MinLen(1), Doc("accounts that trade on the simulator")
    ] = (AccountSettings(),)
    closed_orders_kept: Annotated[
        int, Ge(0), Le(1_000_000), Doc("closed orders of an account that each venue still tells")
    ] = 2_000
    trades_kept: Annotated[
        int, Ge(100), Le(1_000_000), Doc("trades of an account that each market still tells")
    ] = 2_000
    ledger_entries_kept: Annotated[
        int, Ge(0), Le(10_000_000), Doc("entries of the ledger of all accounts, the newest")
    ] = 20_000
    strict_signatures: Annotated[
        bool,
        Doc("take only signatures over the exact bytes, as the venue does; false also takes common mistakes"),
    ] = True
    relay: Annotated[
        bool, Doc("put a relay before both venues that delays, cuts and goes half-open on command")
    ] = False
