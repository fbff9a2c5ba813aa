"""What enters and leaves the exchange: new orders, orders, fills, and the events of user streams.

Prices and quantities are Decimals with the decimals the venue writes: `format(order.price, "f")` is its text.
Times are ms of the mesh clock. Enumerations are the venue's own words (`BUY`, `LIMIT`, `GTC`, `NEW`).
"""

from decimal import Decimal

import msgspec

from services.venue_sim.matching import BUY, SELL

ZERO = Decimal(0)
SIDES: dict[str, int] = {"BUY": BUY, "SELL": SELL}
OPEN_STATUS = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_NEW"})


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as a client sends it; None and "" are what was not sent.

    Sides, types, times in force and modes are the venue's words.
    """

    venue: str  # `binance` or `binance_usdm`
    symbol: str  # `BTCUSDT`
    side: str
    type: str
    time_in_force: str = ""
    quantity: Decimal | None = None
    quote_qty: Decimal | None = None  # spot: quoteOrderQty
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None  # spot: basis points
    iceberg_qty: Decimal | None = None
    client_order_id: str = ""  # empty: the venue makes one
    stp: str = ""  # selfTradePreventionMode
    strategy_id: int | None = None
    strategy_type: int | None = None
    position_side: str = ""
    reduce_only: bool = False
    close_position: bool = False
    price_match: str = ""
    good_till_ms: int = 0  # USD-M: goodTillDate
    working_type: str = ""
    price_protect: bool = False
    activation_price: Decimal | None = None  # USD-M algo
    callback_rate: Decimal | None = None  # USD-M algo: percent


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order at one moment."""

    venue: str
    symbol: str
    account: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    status: str
    price: Decimal
    quantity: Decimal
    executed: Decimal
    quote: Decimal  # cummulativeQuoteQty, cumQuote
    created_ms: int
    updated_ms: int
    working_ms: int = -1  # spot workingTime; -1 while it waits for its trigger
    quote_qty: Decimal = ZERO  # origQuoteOrderQty
    stop_price: Decimal = ZERO
    iceberg_qty: Decimal = ZERO
    stp: str = "NONE"
    is_working: bool = True
    position_side: str = "BOTH"
    reduce_only: bool = False
    close_position: bool = False
    price_match: str = "NONE"
    good_till_ms: int = 0
    working_type: str = "CONTRACT_PRICE"
    price_protect: bool = False
    original_type: str = ""
    prevented: Decimal = ZERO  # preventedQuantity
    prevented_match_id: int = 0
    # Words of ours: STP, IOC, FOK, GTD, MARKET, REDUCE_ONLY, LIQUIDATION, VENUE.
    expiry_reason: str = ""
    trailing_delta: int = 0
    strategy_id: int | None = None
    strategy_type: int | None = None
    realized: Decimal = ZERO  # USD-M: profit realised by this order so far

    @property
    def average_price(self) -> Decimal:
        """Return the average price of its fills, 0 without any."""
        return self.quote / self.executed if self.executed else ZERO

    @property
    def is_open(self) -> bool:
        """Return whether it may still fill."""
        return self.status in OPEN_STATUS


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution of one order. `commission` is a cost when positive."""

    venue: str
    symbol: str
    account: str
    trade_id: int
    order_id: int
    client_order_id: str
    side: str
    price: Decimal
    quantity: Decimal
    quote: Decimal
    commission: Decimal
    commission_asset: str
    is_maker: bool
    time_ms: int
    position_side: str = "BOTH"
    realized: Decimal = ZERO


class PlacedOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came of a new order at once; a maker that expired it is not in `fills`."""

    order: VenueOrder
    fills: tuple[Fill, ...] = ()


class AssetBalance(msgspec.Struct, frozen=True, gc=False):
    """A spot balance."""

    asset: str
    free: Decimal
    locked: Decimal


class WalletBalance(msgspec.Struct, frozen=True, gc=False):
    """A USD-M balance: `wallet` without, `margin` with the profit not yet realised.

    `cross_wallet` is without what isolated positions hold; `available` may open orders, `withdrawable` leave.
    """

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    unrealized: Decimal
    margin: Decimal
    available: Decimal
    withdrawable: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal


class VenuePosition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A USD-M position; `quantity` is negative for a short."""

    symbol: str
    position_side: str
    quantity: Decimal
    entry_price: Decimal
    break_even: Decimal
    mark_price: Decimal
    unrealized: Decimal
    realized: Decimal  # accumulated, fees and funding not included (`cr`)
    liquidation_price: Decimal
    leverage: int
    is_isolated: bool
    isolated_wallet: Decimal
    notional: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal
    margin_asset: str
    updated_ms: int


class Income(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change of the USD-M wallet: TRANSFER, REALIZED_PNL, FUNDING_FEE, COMMISSION, INSURANCE_CLEAR."""

    id: int
    time_ms: int
    kind: str
    symbol: str
    asset: str
    amount: Decimal
    trade_id: int = 0


class SymbolConfig(msgspec.Struct, frozen=True, gc=False):
    """What an account has set for a USD-M market."""

    symbol: str
    leverage: int
    is_isolated: bool
    max_notional: Decimal


# ---- events of the user streams, in the order they happened


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that an account's user stream at `venue` tells."""

    venue: str
    time_ms: int


class OrderEvent(Event, frozen=True, kw_only=True, gc=False):
    """executionReport and ORDER_TRADE_UPDATE.

    `kind`: NEW, CANCELED, REPLACED (spot amend), AMENDMENT (USD-M modify), TRADE, EXPIRED, TRADE_PREVENTION,
    CALCULATED (liquidation). `client_order_id` is the venue's `c`: on a spot cancel the cancel's id.
    `event_id` counts executions of a market (`I` of spot).
    """

    kind: str
    order: VenueOrder
    client_order_id: str
    event_id: int
    fill: Fill | None = None
    counter_order_id: int = 0  # TRADE_PREVENTION: the order it would have met
    prevented_price: Decimal = ZERO
    prevented_quantity: Decimal = ZERO
    modify_id: str = ""


class SpotBalances(Event, frozen=True, kw_only=True, gc=False):
    """outboundAccountPosition: the assets that may have changed."""

    balances: tuple[AssetBalance, ...]


class BalanceMoved(Event, frozen=True, kw_only=True, gc=False):
    """balanceUpdate: a deposit, a withdrawal, a transfer."""

    asset: str
    delta: Decimal


class WalletChange(msgspec.Struct, frozen=True, gc=False):
    """A balance inside ACCOUNT_UPDATE: wallet, cross wallet, and the change that is neither trade nor fee."""

    asset: str
    wallet: Decimal
    cross_wallet: Decimal
    change: Decimal


class AccountUpdate(Event, frozen=True, kw_only=True, gc=False):
    """ACCOUNT_UPDATE; `reason` is ORDER, FUNDING_FEE, DEPOSIT, WITHDRAW, MARGIN_TRANSFER, INSURANCE_CLEAR."""

    reason: str
    balances: tuple[WalletChange, ...]
    positions: tuple[VenuePosition, ...] = ()
    symbol: str = ""


class AccountConfig(Event, frozen=True, kw_only=True, gc=False):
    """ACCOUNT_CONFIG_UPDATE: the leverage of a symbol, or the multi-assets mode (then `symbol` is empty)."""

    symbol: str = ""
    leverage: int = 0
    is_multi_assets: bool = False


class MarginCall(Event, frozen=True, kw_only=True, gc=False):
    """MARGIN_CALL: positions near their liquidation."""

    cross_wallet: Decimal
    positions: tuple[VenuePosition, ...]


class AlgoOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A conditional order of USD-M at one moment; `order_id` is that of the order it became, 0 before.

    `status`: NEW, TRIGGERING, TRIGGERED, FINISHED, CANCELED, EXPIRED, REJECTED.
    """

    algo_id: int
    client_algo_id: str
    account: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    position_side: str
    quantity: Decimal
    trigger_price: Decimal
    price: Decimal
    status: str
    working_type: str
    reduce_only: bool
    close_position: bool
    price_protect: bool
    price_match: str
    stp: str
    good_till_ms: int
    created_ms: int
    updated_ms: int
    trigger_ms: int = 0
    order_id: int = 0
    activate_price: Decimal = ZERO
    callback_rate: Decimal = ZERO  # percent
    reason: str = ""


class AlgoEvent(Event, frozen=True, kw_only=True, gc=False):
    """ALGO_UPDATE."""

    algo: AlgoOrder


AnyEvent = OrderEvent | SpotBalances | BalanceMoved | AccountUpdate | AccountConfig | MarginCall | AlgoEvent
