"""Settings of orders at venues: doubt, reconciliation, withdrawals, the way out (modes testnet and live)."""

from dataclasses import dataclass
from typing import Annotated

from shared.settings import Doc, Ge, Gt, Le


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """Settings of `services.broker.desk` and `services.broker.execution`."""

    recv_window_ms: Annotated[
        int,
        Gt(0),
        Le(60_000),
        Doc("how late a venue may still take an order, at least; doubt lasts longer than it"),
    ] = 2000
    not_found_after_ms: Annotated[
        int, Ge(0), Doc("the first `not found` counts so long after the receive window (I-05)")
    ] = 10_000
    not_found_again_ms: Annotated[int, Ge(0), Doc("the second counts so long after the first (I-05)")] = 5000
    request_timeout_ms: Annotated[int, Gt(0), Doc("a request without any answer for so long is in doubt")] = (
        30_000
    )
    open_orders_every_ms: Annotated[
        int, Ge(0), Doc("open orders are compared so often; 0 only with everything")
    ] = 5000
    account_every_ms: Annotated[
        int, Ge(0), Doc("balances and positions are compared so often; 0 only with everything")
    ] = 15_000
    reconcile_every_ms: Annotated[
        int, Gt(0), Doc("orders, fills, balances and positions are compared so often (BR-10)")
    ] = 60_000
    order_quiet_ms: Annotated[
        int, Gt(0), Doc("an order without news for so long is asked about, and canceled if odd (BR-22)")
    ] = 30_000
    account_lag_ms: Annotated[
        int,
        Ge(0),
        Doc("a difference of money or position is believed after this: executions may be told so late"),
    ] = 7000
    late_fills_ms: Annotated[
        int, Gt(0), Doc("an ended order waits so long for executions that the venue counts already")
    ] = 10_000
    cancel_retry_ms: Annotated[
        int, Gt(0), Doc("a cancel without effect is repeated after this, doubling")
    ] = 250
    cancel_retry_max_ms: Annotated[int, Gt(0), Doc("and at least so often")] = 5000
    bus_silence_ms: Annotated[
        int, Gt(0), Doc("without the bus for so long all orders are withdrawn (DESIGN 2.12)")
    ] = 2000
    user_stream_ms: Annotated[
        int, Gt(0), Doc("orders are withdrawn when the private stream is down for so long")
    ] = 5000
    countdown_ms: Annotated[
        int, Ge(0), Doc("the venue's own dead-man's switch, where it has one; 0 leaves it off (BR-24)")
    ] = 60_000
    cancel_on_exit: Annotated[bool, Doc("a stop withdraws every order (BR-23)")] = True
    close_positions_on_exit: Annotated[bool, Doc("`down` closes positions before it stops (BR-23)")] = False
    drain_ms: Annotated[int, Gt(0), Le(30_000), Doc("a stop waits at most so long for cancels")] = 25_000
    balance_tolerance_e8: Annotated[
        int, Ge(0), Doc("wallets of derivatives may differ by so many 1e-8 of the asset: the venue rounds")
    ] = 1000
