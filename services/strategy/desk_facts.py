"""What a feed tells besides book, trades and candles, for a desk: drawn from its seed alone."""

from services.strategy.desk import Desk, draw
from shared.messages import Message
from shared.messages.market import Basis, FundingRate, Liquidation, OpenInterest, Regime
from shared.units import NS_PER_S, Side

SALT = 0x2545F491
REGIMES = ("normal", "trending", "high_risk")


def say_facts(desk: Desk, step: int) -> None:
    """Say one of funding, open interest, a liquidation, basis and regime; on spot the regime alone."""
    symbol, now_ns = desk.rules.symbol, desk.now_ns
    seed = desk.seed ^ SALT

    def roll(limit: int, salt: int = 0) -> int:
        return draw(seed, step * 8 + salt, limit)

    regime = REGIMES[roll(3)]
    facts: list[Message] = [
        Regime(symbol, regime, regime == "high_risk", ["for the test"], "normal", roll(90_000), "low", "")
    ]
    if desk.rules.is_derivative:
        mark = desk.mid_ticks * 100
        spot_symbol = f"binance:{symbol.partition(':')[2]}"
        facts += [
            FundingRate(symbol, roll(20_000) - 10_000, now_ns + 3600 * NS_PER_S, mark, mark, now_ns, now_ns),
            OpenInterest(symbol, 1_000_000 + roll(100_000), now_ns, now_ns),
            Liquidation(symbol, Side(roll(2)), desk.mid_ticks, 1 + roll(500), now_ns, now_ns),
            Basis(symbol, spot_symbol, roll(2000) - 1000, roll(6000) - 3000, 60),
        ]
    desk.say(facts[roll(len(facts), 1)])
