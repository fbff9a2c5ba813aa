"""Real processes that trade on the simulated venue, and the venue's own word about the account.

The mesh of `mode: testnet` without supervisord, so that the broker can be started again with a named point at
which it kills itself. What the venue says is asked of its public port with the account's key, by hand.
"""

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.cli import config as configuration
from services.cli.place import ROOT
from services.cli.secrets import put_secrets
from services.fused.live_oracle import Truth, TruthFill, TruthOrder
from services.venue_sim.exchange.keys import keys_of
from shared.errors import QuotemeshError
from shared.messages.market import InstrumentRules
from shared.runtime.client import BusClient
from shared.runtime.paths import DataDir
from shared.settings import pack

OTHERS = ("bus", "venue_sim", "market_data", "strategy", "risk")
SPOT, USDM = "binance", "binance_usdm"
SYMBOLS = ("binance:BTCUSDT", "binance_usdm:ETHUSDT")
WITNESS = "127.0.0.2"
"""The address from which the venue is asked for its truth."""
WAIT_S = 60.0
PAGE = 1000
_CALLS = {
    SPOT: ("/api/v3", "allOrders", "myTrades"),
    USDM: ("/fapi/v1", "allOrders", "userTrades"),
}
CONFIG = """\
mode: testnet
venues:
  binance: {{url: sim, maker_fee_ppm: 1000, taker_fee_ppm: 1000}}
  binance_usdm: {{url: sim, maker_fee_ppm: 200, taker_fee_ppm: 500}}
symbols: [binance:BTCUSDT, binance_usdm:ETHUSDT]
warmup_s: 0
warmup_points: 0
strategies:
  spa:
    kind: services.fused.live_quotes:Busy
    symbol: binance:BTCUSDT
    params: {{seed: {seed}, lots: 12}}
  fut:
    kind: services.fused.live_quotes:Busy
    symbol: binance_usdm:ETHUSDT
    params: {{seed: {seed}, lots: 4}}
risk:
  limits: {{order_notional_max: 1000000, position_notional_max: 1000000, symbol_notional_max: 1000000,
            open_orders_max: 1000, spread_bps_max: 5000}}
  portfolio_notional_max: 10000000
  loss_max: 1000000
  initial_equity: 100000000
  violations_max: 1000000
  orders_per_s_max: 1000
  orders_per_min_max: 60000
  orders_per_hour_max: 200000
  throttle: {{requotes_per_min_max: 100000, fills_per_min_max: 100000, loss_per_min_max: 1000000}}
  storm: {{rejects_max: 10000}}
  breakers: {{losing_streak_max: 0, session_drawdown_bps: 0, total_drawdown_bps: 0, session_loss_max: 0}}
  ramp: {{duration_s: 0}}
simulator:
  seed: {seed}
  regime: mixed
  closed_orders_kept: 100000
  trades_kept: 100000
"""


class TradingMesh:
    """The processes of one mesh; the broker is started by the caller, as often as it dies."""

    def __init__(self, folder: Path, seed: int, environment: Mapping[str, str] = {}) -> None:
        self.data = DataDir(folder)
        self.data.prepare()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "QUOTEMESH_DATA": str(folder),
            "PYTHONPATH": str(ROOT),
            **environment,
        }
        path = folder / "campaign.yaml"
        path.write_text(CONFIG.format(seed=seed), encoding="utf-8")
        config = configuration.load(path, {})
        for name, section in configuration.sections(config).items():
            self.data.settings(name).parent.mkdir(parents=True, exist_ok=True)
            self.data.settings(name).write_bytes(pack(section))
        self.key = keys_of(config.venue_sim)[0]
        secret = json.dumps({"api_key": self.key.api_key, "secret": self.key.secret})
        put_secrets(self.data, {"sim": secret})

    # ---- processes

    def start(self, service: str, **environment: str) -> None:
        """Start one process."""
        with (self.data.logs / f"{service}.log").open("ab") as log:
            self._running[service] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", f"services.{service}.main"],
                cwd=ROOT,
                env={**self._environment, **environment},
                stdout=log,
                stderr=log,
            )

    def start_others(self) -> None:
        """Start everything but the broker, and wait until it lives."""
        self.start("bus")
        wait_for(lambda: self.status() is not None, "the bus")
        for service in OTHERS[1:]:
            self.start(service)
        wait_for(self._are_live, "strategy, risk and market data")

    def is_running(self, service: str) -> bool:
        """Return whether a process lives."""
        process = self._running.get(service)
        return process is not None and process.poll() is None

    def pid(self, service: str) -> int:
        """Return the process id of a service that was started."""
        return self._running[service].pid

    def kill(self, service: str) -> None:
        """Send SIGKILL to a process and wait for its end."""
        self._running[service].kill()
        self._running[service].wait(10)

    def stop(self) -> None:
        """End every process."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def status(self) -> dict[str, Any] | None:
        """Return what the bus says of the services, None while it does not answer."""
        try:
            with BusClient(self.data, 500) as client:
                return client.status()
        except QuotemeshError:
            return None

    def _are_live(self) -> bool:
        services = (self.status() or {}).get("services", {})
        return all(
            services.get(name, {}).get("state") == "live" for name in ("strategy", "risk", "market_data")
        )

    # ---- the venue's word

    def ask(self, venue: str, path: str, **params: str | int) -> Any:
        """Ask the venue with the account's key; raises `QuotemeshError` when it answers an error."""
        port = json.loads((self.data.run / "venue_sim.json").read_bytes())[venue]["port"]
        clock = "/api/v3/time" if venue == SPOT else "/fapi/v1/time"
        now_ms = _get(port, clock, {})["serverTime"]
        query = "&".join(f"{key}={value}" for key, value in {**params, "timestamp": now_ms}.items())
        signature = hmac.new(self.key.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return _get(port, f"{path}?{query}&signature={signature}", {"X-MBX-APIKEY": self.key.api_key})

    def command(self, path: str, *items: Mapping[str, Any]) -> Any:
        """Command the simulated venue over its control port, as `/sim/acts`."""
        port = json.loads((self.data.run / "venue_sim.json").read_bytes())["control"]["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            body = json.dumps(items)
            connection.request("POST", path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except OSError as error:
            raise QuotemeshError(f"the venue's control port does not answer {path}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise QuotemeshError(f"the venue refuses {path}: {told}")
        return told

    def widen_limits(self) -> None:
        """Let the venue take ten times the requests: deaths come denser here than any supervisor allows."""
        for venue, per_minute in ((SPOT, 6_000), (USDM, 2_400)):
            rules = [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": 10 * per_minute},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "limit": 12_000},
            ]
            limits = [{**rule, "intervalNum": 1} for rule in rules]
            self.command("/sim/acts", {"act": "limits", "venue": venue, "limits": limits})

    def open_ids(self) -> list[str]:
        """Return the client order ids of all orders that the venues hold."""
        found = []
        for symbol in SYMBOLS:
            venue, _, name = symbol.partition(":")
            rows = self.ask(venue, f"{_CALLS[venue][0]}/openOrders", symbol=name)
            found += [row["clientOrderId"] for row in rows]
        return found

    def money(self) -> dict[str, Decimal]:
        """Return the spot balances by asset and the positions by symbol, as the venues have them."""
        account = self.ask(SPOT, "/api/v3/account")
        held = {
            f"{SPOT} {one['asset']}": Decimal(one["free"]) + Decimal(one["locked"])
            for one in account["balances"]
        }
        for one in self.ask(USDM, "/fapi/v3/account")["positions"]:
            held[f"{USDM}:{one['symbol']}"] = Decimal(one["positionAmt"])
        return held

    def truth(self, opening: Mapping[str, Decimal], rules: Mapping[str, InstrumentRules]) -> Truth:
        """Return every order and execution of the account, and what its money gained since `opening`."""
        made: list[TruthOrder] = []
        fills: list[TruthFill] = []
        for symbol in SYMBOLS:
            ids = {}
            for row in self._pages(symbol, 1, "orderId", "orderId"):
                made.append(_order(row, symbol, rules[symbol]))
                ids[row["orderId"]] = row["clientOrderId"]
            fills += [
                _fill(row, symbol, rules[symbol], ids.get(row["orderId"], ""))
                for row in self._pages(symbol, 2, "fromId", "id")
            ]
        now = self.money()
        keys = now.keys() | opening.keys()
        changes = {key: now.get(key, Decimal(0)) - opening.get(key, Decimal(0)) for key in keys}
        for symbol in SYMBOLS:
            if symbol in changes:
                changes[symbol] /= Decimal(rules[symbol].lot_size)
        return Truth(made, fills, {key: value for key, value in changes.items() if value})

    def _pages(self, symbol: str, call: int, parameter: str, field: str) -> Iterator[dict[str, Any]]:
        venue, _, name = symbol.partition(":")
        after = 0
        while True:
            path = f"{_CALLS[venue][0]}/{_CALLS[venue][call]}"
            rows = self.ask(venue, path, symbol=name, limit=PAGE, **{parameter: after})
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1][field] + 1


def _order(row: Mapping[str, Any], symbol: str, rules: InstrumentRules) -> TruthOrder:
    is_open = row["status"] in {"NEW", "PARTIALLY_FILLED"}
    return TruthOrder(
        symbol=symbol,
        client_order_id=row["clientOrderId"],
        side=0 if row["side"] == "BUY" else 1,
        price_ticks=int(Decimal(row["price"]) / Decimal(rules.tick_size)),
        qty_lots=int(Decimal(row["origQty"]) / Decimal(rules.lot_size)),
        filled_lots=int(Decimal(row["executedQty"]) / Decimal(rules.lot_size)),
        created_ms=row["time"],
        ended_ms=0 if is_open else row["updateTime"],
    )


def _fill(row: Mapping[str, Any], symbol: str, rules: InstrumentRules, order_id: str) -> TruthFill:
    is_buy = row["isBuyer"] if "isBuyer" in row else row["side"] == "BUY"
    return TruthFill(
        symbol=symbol,
        trade_id=str(row["id"]),
        client_order_id=order_id,
        side=0 if is_buy else 1,
        price_ticks=int(Decimal(row["price"]) / Decimal(rules.tick_size)),
        qty_lots=int(Decimal(row["qty"]) / Decimal(rules.lot_size)),
        fee=Decimal(row["commission"]),
        fee_asset=row["commissionAsset"],
    )


def _get(port: int, target: str, headers: Mapping[str, str]) -> Any:
    """Ask from an address of our own: what the broker may ask is not used up by us."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(WITNESS, 0))
    try:
        connection.request("GET", target, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise QuotemeshError(f"the venue does not answer {target.partition('?')[0]}: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise QuotemeshError(
            f"the venue answers {target.partition('?')[0]} by {answer.status} {body[:200]!r}"
        )
    return json.loads(body)


def wait_for(claim: Callable[[], bool], what: str, limit_s: float = WAIT_S) -> None:
    """Return when `claim` holds; raises `QuotemeshError` after `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while not claim():
        if time.monotonic() > deadline_s:
            raise QuotemeshError(f"waited {limit_s:.0f} s in vain for {what}")
        time.sleep(0.02)


@contextmanager
def trading_mesh(folder: Path, seed: int, environment: Mapping[str, str] = {}) -> Iterator[TradingMesh]:
    """Give a mesh without its broker; everything is ended afterwards."""
    mesh = TradingMesh(folder, seed, environment)
    try:
        mesh.start_others()
        yield mesh
    finally:
        mesh.stop()
