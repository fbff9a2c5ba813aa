"""An error as the simulated venue answers it: its own code and text, and the HTTP status that carries it."""


class VenueRefusal(Exception):  # noqa: N818 - a refusal is an answer of the venue, not a fault of ours
    """A call that the venue refuses; nothing was done unless `data` says what was.

    `data` goes into the body beside code and text (cancelReplace, bans). `retry_after_s` is told in the
    header Retry-After, 0 for none. `counts_orders` leaves a refused order in the order count.
    """

    def __init__(
        self,
        code: int,
        msg: str,
        status: int = 400,
        *,
        data: dict[str, object] | None = None,
        retry_after_s: int = 0,
        counts_orders: bool = False,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.retry_after_s = retry_after_s
        self.counts_orders = counts_orders
