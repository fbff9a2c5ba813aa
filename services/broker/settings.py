"""Settings of the broker: the paper venue, the send gate and the withdrawals."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from shared.settings import Doc, Ge, Gt, Le, Predicate

QueueModel = Literal["pro_rata", "behind"]
BooklessModel = Literal["reject", "simple"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Settings of `services.broker`; money in whole units of the quote asset."""

    mode: Annotated[
        str, Predicate(lambda mode: mode == "paper"), Doc("`paper`: no order leaves the host")
    ] = "paper"
    initial_balance: Annotated[
        Decimal, Gt(0), Doc("paper money of each wallet: one per venue and quote asset (BR-19)")
    ] = Decimal(10_000)
    seed: Annotated[int, Ge(0), Doc("seed of the latency draws (BR-17)")] = 1
    latency_ms: Annotated[int, Ge(0), Doc("mean time from us to the venue's matching")] = 50
    latency_std_ms: Annotated[int, Ge(0), Doc("its standard deviation; 0 makes it constant")] = 20
    latency_min_ms: Annotated[int, Ge(0), Doc("its least value")] = 10
    latency_spike_ppm: Annotated[int, Ge(0), Le(1_000_000), Doc("share of spikes, parts per million")] = (
        10_000
    )
    latency_spike_factor: Annotated[int, Ge(1), Doc("a spike takes this many times as long")] = 10
    queue_model: Annotated[
        QueueModel,
        Doc("where cancels of others happen: `pro_rata` all over the level, `behind` us only (strictest)"),
    ] = "pro_rata"
    without_book: Annotated[
        BooklessModel,
        Doc("an order that meets no trusted book: `reject`, or `simple`, a fill near the last trade"),
    ] = "reject"
    simple_slippage_bps: Annotated[int, Ge(0), Le(5000), Doc("simple model: fills are worse by so much")] = 5
    simple_impact_e2_bps: Annotated[
        int, Ge(0), Le(1000), Doc("simple model: worse by so many 1/100 bps per percent of recent volume")
    ] = 10
    simple_fill_ppm: Annotated[
        int, Ge(0), Le(1_000_000), Doc("simple model: share of orders that are filled, parts per million")
    ] = 950_000
    approval_ttl_ms: Annotated[int, Gt(0), Doc("an approval on data older than this is not sent")] = 500
    book_stale_ms: Annotated[
        int, Gt(0), Doc("quotes leave a market without a good book for so long (I-28)")
    ] = 2000
    start_grace_ms: Annotated[
        int,
        Ge(0),
        Doc("after a start of the bus, books and services get so long before quotes are withdrawn"),
    ] = 15_000
    strategy_silent_ms: Annotated[int, Gt(0), Doc("quotes leave when strategy is silent for so long")] = 3000
    market_data_silent_ms: Annotated[
        int, Gt(0), Doc("quotes leave when market_data is silent for so long")
    ] = 2000
    risk_silent_ms: Annotated[int, Gt(0), Doc("quotes leave when risk is silent for so long")] = 2000
    latch_poll_ms: Annotated[int, Gt(0), Le(50), Doc("the kill latch file is looked at this often")] = 5
