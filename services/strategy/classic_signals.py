"""Momentum, mean reversion, trend, and a combination: positions led by votes of indicators (ST-46)."""

from dataclasses import dataclass
from typing import Annotated, Any

from services.strategy.base import Context, Intents
from services.strategy.classic import Classic, ClassicSettings, Wish
from services.strategy.classic_candles import Bar
from services.strategy.classic_votes import BandsVote, Combined, RsiVote, TrendVote, Vote
from shared.settings import Doc, Ge, Gt, Le, Lt


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSettings(ClassicSettings):
    """Settings of strategies that a vote leads."""

    allow_short: Annotated[bool, Doc("also sell short; on derivatives only")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentumSettings(SignalSettings):
    """Settings of momentum by RSI."""

    rsi_window: Annotated[int, Ge(2), Le(500), Doc("bars of the RSI")] = 14
    oversold: Annotated[float, Gt(0), Lt(100), Doc("RSI that is crossed upwards to buy")] = 30.0
    overbought: Annotated[float, Gt(0), Lt(100), Doc("RSI that is crossed downwards to sell")] = 70.0

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        ClassicSettings.__post_init__(self)
        _check_rsi(self.oversold, self.overbought)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReversionSettings(SignalSettings):
    """Settings of mean reversion by Bollinger bands."""

    bands_window: Annotated[int, Ge(2), Le(500), Doc("bars of the bands")] = 20
    bands_deviations: Annotated[float, Gt(0), Le(10), Doc("deviations from the middle to a band")] = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendSettings(SignalSettings):
    """Settings of trend following by two exponential averages."""

    fast_window: Annotated[int, Ge(1), Le(500), Doc("bars of the fast average")] = 10
    slow_window: Annotated[int, Ge(2), Le(1000), Doc("bars of the slow average")] = 30

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        ClassicSettings.__post_init__(self)
        _check_averages(self.fast_window, self.slow_window)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboSettings(SignalSettings):
    """Settings of the combination: those of its three votes, and their weights."""

    rsi_window: Annotated[int, Ge(2), Le(500), Doc("bars of the RSI")] = 14
    oversold: Annotated[float, Gt(0), Lt(100), Doc("RSI that is crossed upwards to buy")] = 30.0
    overbought: Annotated[float, Gt(0), Lt(100), Doc("RSI that is crossed downwards to sell")] = 70.0
    bands_window: Annotated[int, Ge(2), Le(500), Doc("bars of the bands")] = 20
    bands_deviations: Annotated[float, Gt(0), Le(10), Doc("deviations from the middle to a band")] = 2.0
    fast_window: Annotated[int, Ge(1), Le(500), Doc("bars of the fast average")] = 10
    slow_window: Annotated[int, Ge(2), Le(1000), Doc("bars of the slow average")] = 30
    weight_momentum: Annotated[float, Ge(0), Le(100), Doc("weight of the RSI's vote")] = 1.0
    weight_reversion: Annotated[float, Ge(0), Le(100), Doc("weight of the bands' vote")] = 1.0
    weight_trend: Annotated[float, Ge(0), Le(100), Doc("weight of the averages' vote")] = 1.0
    enter_score: Annotated[float, Gt(0), Le(1), Doc("weighted mean of the votes from which it enters")] = 0.5
    leave_score: Annotated[float, Ge(0), Lt(1), Doc("score at or below which it leaves")] = 0.0

    def __post_init__(self) -> None:
        """Refuse limits that contradict each other."""
        ClassicSettings.__post_init__(self)
        _check_rsi(self.oversold, self.overbought)
        _check_averages(self.fast_window, self.slow_window)
        if self.weight_momentum + self.weight_reversion + self.weight_trend == 0:
            raise ValueError("every weight is 0: nobody has a vote; raise weight_momentum or another one")
        if self.leave_score >= self.enter_score:
            raise ValueError(
                f"leave_score {self.leave_score} is not below enter_score {self.enter_score}: what is "
                "entered would be left at once; lower the first or raise the second"
            )


def _check_rsi(oversold: float, overbought: float) -> None:
    if oversold >= overbought:
        raise ValueError(
            f"oversold {oversold} is not below overbought {overbought}: the RSI would buy and sell at once"
        )


def _check_averages(fast: int, slow: int) -> None:
    if fast >= slow:
        raise ValueError(
            f"fast_window {fast} is not below slow_window {slow}: the averages would cross the wrong way"
        )


class SignalStrategy(Classic):
    """Enters when its vote fires, holds while the vote's stance agrees."""

    Settings = SignalSettings
    settings: SignalSettings
    vote: Vote

    def make_vote(self) -> Vote:
        """Return a vote that has seen nothing."""
        raise NotImplementedError

    def on_start(self, ctx: Context) -> Intents:
        """Refuse short sales on spot."""
        if self.settings.allow_short and not ctx.rules.is_derivative:
            raise ValueError(
                f"allow_short is on, but {ctx.symbol} is spot and cannot be sold short; set it to false"
            )
        return super().on_start(ctx)

    def on_bar(self, ctx: Context, bar: Bar) -> None:  # noqa: ARG002  the bar alone decides
        """Let the vote see the bar, and wish for what it fires."""
        self.vote.add(bar)
        self.stance = self.vote.stance
        sign = self.vote.fired
        if sign > 0 or (sign < 0 and self.settings.allow_short):
            self.wish = Wish(sign, self.settings.order_notional, self.vote.text())

    def forget(self) -> None:
        """Begin with a vote that has seen nothing."""
        self.vote = self.make_vote()

    def dump_own(self) -> list[Any]:
        """Return the vote's state."""
        return self.vote.dump()

    def load_own(self, state: list[Any]) -> None:
        """Take the vote's state."""
        self.vote.load(state)

    def text(self) -> str:
        """Return the vote's numbers."""
        return self.vote.text()


class Momentum(SignalStrategy):
    """Buys when the RSI comes back from oversold, sells when it comes back from overbought."""

    Settings = MomentumSettings
    settings: MomentumSettings

    def make_vote(self) -> Vote:
        """Return the RSI's vote."""
        return _rsi_vote(self.settings)

    def shape(self) -> list[Any]:
        """Return what the RSI depends on."""
        return [*super().shape(), self.settings.rsi_window, self.settings.oversold, self.settings.overbought]


class MeanReversion(SignalStrategy):
    """Buys below the lower band and sells at the middle."""

    Settings = MeanReversionSettings
    settings: MeanReversionSettings

    def make_vote(self) -> Vote:
        """Return the bands' vote."""
        return _bands_vote(self.settings)

    def shape(self) -> list[Any]:
        """Return what the bands depend on."""
        return [*super().shape(), self.settings.bands_window, self.settings.bands_deviations]


class Trend(SignalStrategy):
    """Buys when the fast average crosses above the slow one, and sells when it crosses below."""

    Settings = TrendSettings
    settings: TrendSettings

    def make_vote(self) -> Vote:
        """Return the averages' vote."""
        return _trend_vote(self.settings)

    def shape(self) -> list[Any]:
        """Return what the averages depend on."""
        return [*super().shape(), self.settings.fast_window, self.settings.slow_window]


class Combo(SignalStrategy):
    """Follows the weighted votes of the other three."""

    Settings = ComboSettings
    settings: ComboSettings

    def make_vote(self) -> Vote:
        """Return the weighted vote."""
        settings = self.settings
        votes = [
            (_rsi_vote(settings), settings.weight_momentum),
            (_bands_vote(settings), settings.weight_reversion),
            (_trend_vote(settings), settings.weight_trend),
        ]
        return Combined(votes, settings.enter_score, settings.leave_score)

    def shape(self) -> list[Any]:
        """Return what the votes depend on."""
        settings = self.settings
        return [
            *super().shape(),
            settings.rsi_window,
            settings.oversold,
            settings.overbought,
            settings.bands_window,
            settings.bands_deviations,
            settings.fast_window,
            settings.slow_window,
        ]


def _rsi_vote(settings: MomentumSettings | ComboSettings) -> Vote:
    return RsiVote(settings.rsi_window, settings.oversold, settings.overbought)


def _bands_vote(settings: MeanReversionSettings | ComboSettings) -> Vote:
    return BandsVote(settings.bands_window, settings.bands_deviations)


def _trend_vote(settings: TrendSettings | ComboSettings) -> Vote:
    return TrendVote(settings.fast_window, settings.slow_window)
