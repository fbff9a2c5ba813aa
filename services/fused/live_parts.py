"""Settings of the campaign: two strategies on two markets, limits that are never the reason for silence."""

from decimal import Decimal
from typing import Any

from services.broker.binance.build import make_adapter
from services.broker.binance.settings import BinanceSettings, endpoints_at
from services.broker.execution import Execution
from services.broker.keys import VenueKey
from services.broker.settings import BrokerSettings, VenueAccess
from services.fused.live_plan import stream
from services.risk.breaker_settings import (
    BreakerSettings,
    RampSettings,
    StormSettings,
    ThrottleSettings,
)
from services.risk.settings import RiskSettings, SymbolLimits
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.messages.market import InstrumentRules
from shared.settings import pack

ORIGIN_NS = 1_704_067_200_000_000_000
SPOT_SYMBOL = "binance:BTCUSDT"
USDM_SYMBOL = "binance_usdm:ETHUSDT"
VENUES = ("binance", "binance_usdm")
MANY = 1_000_000
MUCH = Decimal(1_000_000_000)
_KIND = "services.fused.live_quotes:Restless"


def rules() -> list[InstrumentRules]:
    """Return the rules of both markets."""
    spot = InstrumentRules(
        symbol=SPOT_SYMBOL,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size="0.01",
        lot_size="0.00001",
        quote_exponent=12,
        tick_lot_atoms=100_000,
        min_qty_lots=1,
        max_qty_lots=100_000,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=1000,
        taker_fee_ppm=1000,
        is_derivative=False,
    )
    usdm = InstrumentRules(
        symbol=USDM_SYMBOL,
        base_asset="ETH",
        quote_asset="USDT",
        tick_size="0.01",
        lot_size="0.001",
        quote_exponent=12,
        tick_lot_atoms=10_000_000,
        min_qty_lots=1,
        max_qty_lots=100_000,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=200,
        taker_fee_ppm=500,
        is_derivative=True,
    )
    return [spot, usdm]


def start_ticks(symbol: str) -> int:
    """Return the first price of a market."""
    return 6_000_000 if symbol == SPOT_SYMBOL else 300_000


def _accesses() -> tuple[VenueAccess, ...]:
    return tuple(
        VenueAccess(
            name=venue,
            symbols=(symbol.partition(":")[2],),
            network="sim",
            rest_url=f"http://{venue}.sim",
            stream_url=f"ws://{venue}.sim",
            api_url=f"ws://{venue}.sim{path}",
            key="sim",
        )
        for venue, symbol, path in zip(
            VENUES, (SPOT_SYMBOL, USDM_SYMBOL), ("/ws-api/v3", "/ws-fapi/v1"), strict=True
        )
    )


def sections(seed: int) -> dict[str, Any]:
    """Return the settings of each service for a seed."""
    draw = stream(seed, "strategy")
    instances = {
        name: InstanceSettings(
            kind=_KIND,
            symbol=symbol,
            params={
                "seed": draw.below(1 << 30),
                "slots": draw.between(1, 3),
                "least_lots": lots,
                "more_lots": draw.between(1, 20),
                "wait": draw.between(2, 9),
            },
        )
        for name, symbol, lots in (("spa", SPOT_SYMBOL, 12), ("fut", USDM_SYMBOL, 4))
    }
    limits = SymbolLimits(
        order_notional_max=MUCH,
        position_notional_max=MUCH,
        symbol_notional_max=MUCH,
        open_orders_max=1000,
        spread_bps_max=Decimal(5000),
    )
    return {
        "strategy": StrategySettings(instances=instances, warmup_s=0, warmup_points=0),
        "risk": RiskSettings(
            limits=limits,
            portfolio_notional_max=MUCH,
            loss_max=MUCH,
            initial_equity=MUCH,
            violations_max=MANY,
            orders_per_s_max=MANY,
            orders_per_min_max=MANY,
            orders_per_hour_max=200_000,
            throttle=ThrottleSettings(
                requotes_per_min_max=100_000, fills_per_min_max=100_000, loss_per_min_max=MUCH
            ),
            storm=StormSettings(rejects_max=10_000),
            breakers=BreakerSettings(
                losing_streak_max=0,
                session_drawdown_bps=0,
                total_drawdown_bps=0,
                session_loss_max=Decimal(0),
            ),
            ramp=RampSettings(duration_s=0),
        ),
        "broker": BrokerSettings(mode="testnet", venues=_accesses(), start_grace_ms=2000),
    }


def packed_sections(seed: int) -> dict[str, bytes]:
    """Return the same as `ServiceStarted` carries it."""
    return {name: pack(section) for name, section in sections(seed).items()}


def execution(api_key: str, secret: str) -> Execution:
    """Return the outside half of one life of the broker, with the native adapters of both venues."""
    adapters = []
    for venue, symbol in zip(VENUES, (SPOT_SYMBOL, USDM_SYMBOL), strict=True):
        settings = BinanceSettings(
            venue=venue,
            endpoints=endpoints_at(venue, f"http://{venue}.sim", has_rights=False),
            symbols=(symbol.partition(":")[2],),
            clock_interval_ms=5000,
        )
        adapters.append(make_adapter(settings, VenueKey(api_key, secret)))
    return Execution(adapters)
