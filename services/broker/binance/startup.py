"""What must hold before an order may leave: clock, markets, rights of the key, position mode, settings.

    clock ─► markets and limits ─► rights ─► (USD-M) position mode ─► configured leverage and margin ─► done

Each step is asked again after a pause until it holds; what only a person can mend is final.
"""

from collections.abc import Callable

from services.broker.binance.account import Account
from services.broker.binance.answers import UNREADABLE, flags_of, mode_decoder, restrictions_of
from services.broker.binance.budget import Cost, Purpose
from services.broker.binance.calls import Answer, Lost, Out, Outcome, Request
from services.broker.binance.errors import NOTHING_TO_CHANGE
from services.broker.binance.orders import rights_request
from services.broker.binance.signing import Param
from shared.execution.reports import KeyRightsTold
from shared.units import NS_PER_S

RETRY_NS = 2 * NS_PER_S
HEDGE_TEXT = (
    "the account is in hedge mode (dualSidePosition true); quotemesh trades in one-way mode: close positions "
    "and orders, then set the position mode to one-way at the venue"
)
WITHDRAW_TEXT = (
    "the key may withdraw; a trading bot must not hold such a key: forbid withdrawals for it at the venue, "
    "or make a key that may only trade"
)
TRADE_TEXT = "the key may not trade {what}: allow it for this key at the venue"

Step = Callable[[int, Out], Request]


class Startup:
    """Steps to the first order. `final` is a text when only a person can go on."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.final = ""
        self.note = ""
        self._steps: list[tuple[str, Request]] = []
        self._is_asking = False
        self._due_ns = 0
        self._is_listed = False

    @property
    def is_done(self) -> bool:
        """Return whether every step holds."""
        return self._is_listed and not self._steps and not self.final

    def _list(self) -> None:
        settings = self._account.settings
        self._is_listed = True
        self._steps = [("rights of the key", rights_request(settings))]
        if self._account.is_spot:
            return
        path = "/fapi/v1/positionSide/dual"
        self._steps.append(("position mode", Request(Purpose.UPKEEP, Cost(30), "GET", path, {})))
        for name, kind in settings.margin_type.items():
            params: dict[str, Param] = {"symbol": name, "marginType": kind}
            request = Request(Purpose.UPKEEP, Cost(1), "POST", "/fapi/v1/marginType", params)
            self._steps.append((f"margin type of {name}", request))
        for name, leverage in settings.leverage.items():
            params = {"symbol": name, "leverage": leverage}
            request = Request(Purpose.UPKEEP, Cost(1), "POST", "/fapi/v1/leverage", params)
            self._steps.append((f"leverage of {name}", request))

    def pass_time(self, now_ns: int, out: Out) -> None:
        """Take the next step when it is due."""
        account = self._account
        if not account.clock.is_known or not account.info.is_known or self.final:
            return
        if not self._is_listed:
            self._list()
        if not self._steps or self._is_asking or now_ns < self._due_ns:
            return
        held = account.transport.ask(self._steps[0][1], self._take, now_ns, out)
        self._is_asking = held is None
        if held is not None:
            self._due_ns = held.retry_ns

    def _take(self, outcome: Outcome, now_ns: int, out: Out) -> None:
        self._is_asking = False
        name, _ = self._steps[0]
        problem = self._problem(name, outcome)
        if problem:
            self.note = f"{name}: {problem}"[:200]
            self._due_ns = now_ns + RETRY_NS
            return
        self.note = ""
        self._steps.pop(0)
        if not self.final:
            self.pass_time(now_ns, out)

    def _problem(self, name: str, outcome: Outcome) -> str:
        """Return why a step must be asked again, empty when it holds or is final."""
        if isinstance(outcome, Lost):
            return outcome.reason
        if not outcome.is_ok:
            if outcome.code in NOTHING_TO_CHANGE:
                return ""
            text = f"the venue answered {outcome.status} {outcome.code} {outcome.text}"
            verdict = outcome.verdict
            if verdict is not None and verdict.kind is not None and name.startswith(("margin", "leverage")):
                self.final = f"{name} cannot be set as configured: {text}"[:300]
            return text
        try:
            self._read(name, outcome)
        except UNREADABLE as error:
            return f"the answer cannot be read: {error}"
        return ""

    def _read(self, name: str, answer: Answer) -> None:
        if name == "rights of the key":
            self.judge(read_rights(self._account, answer, 0))
        elif name == "position mode" and mode_decoder.decode(answer.body).dualSidePosition:
            self.final = HEDGE_TEXT

    def judge(self, rights: KeyRightsTold) -> None:
        """Refuse a key that may withdraw (RK-17, I-42), or that may not trade here."""
        if rights.can_withdraw:
            self.final = WITHDRAW_TEXT
        elif not rights.can_trade:
            self.final = TRADE_TEXT.format(what="spot" if self._account.is_spot else "futures")


def read_rights(account: Account, answer: Answer, request_id: int) -> KeyRightsTold:
    """Return the rights in an answer of either kind; raises one of `UNREADABLE`."""
    if account.settings.endpoints.rights:
        return restrictions_of(answer.body, request_id, is_spot=account.is_spot)
    return flags_of(answer.body, request_id, is_spot=account.is_spot)
