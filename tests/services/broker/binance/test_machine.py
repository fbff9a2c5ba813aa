"""Whatever a venue and a network do, every command is answered exactly once and nothing is raised (I-05).

The shell here is an enemy: it answers twice, late, never, with damaged bodies and foreign codes, and cuts
connections at any moment.
"""

import json
from collections import Counter
from urllib.parse import parse_qsl

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.settings import SPOT, USDM, BinanceSettings, Endpoints
from services.broker.keys import VenueKey
from shared.execution import commands, reports
from shared.execution.outside import CloseSocket, HttpCall, OpenSocket, SendText
from shared.units import NS_PER_MS, Side
from tests.services.broker.binance.venue_words import answer_body, damaged, rules_of

CODES = (
    -1000, -1001, -1003, -1006, -1007, -1008, -1013, -1015, -1021, -1022, -1102, -1111, -1121, -1125, -2010,
    -2011, -2013, -2015, -2019, -2022, -4061, -4164, -5021, -5022, -5028, -9999,
)  # fmt: skip
STATUSES = (200, 400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504)
START_NS = 1_800_000_000_000_000_000
ANSWERS = (
    reports.Acted,
    reports.Done,
    reports.Refused,
    reports.Doubtful,
    reports.OrderFound,
    reports.OpenOrders,
    reports.Fills,
    reports.AccountTold,
    reports.KeyRightsTold,
)


class Enemy(RuleBasedStateMachine):
    """One adapter and everything that may happen to it."""

    venue = SPOT
    price_ticks = 6_000_000

    def __init__(self):
        super().__init__()
        self.now_ns = START_NS
        self.work = []
        self.done = []
        self.sockets = {}
        self.asked = set()
        self.created = Counter()
        self.answered = Counter()
        self.next_id = 0
        url = f"http://{self.venue}.sim"
        config = BinanceSettings(
            venue=self.venue,
            endpoints=Endpoints(url, "ws://api", "ws://stream", url),
            symbols=(f"{self.venue}:BTCUSDT",),
        )
        self.adapter = BinanceAdapter(config, VenueKey("k" * 20, "s" * 40))
        self.take(self.adapter.start(self.now_ns))
        self.take(self.adapter.on_rules(rules_of(self.venue), self.now_ns))

    @initialize(is_calm=st.booleans())
    def begin(self, is_calm):
        """Most runs get as far as orders; others meet the enemy from the first call on."""
        for _ in range(60 if is_calm else 0):
            self.serve_all()
            self.pass_time(20)

    def take(self, said):
        for item in said:
            if isinstance(item, HttpCall | SendText):
                self.work.append(item)
                self.count_creates(item)
            elif isinstance(item, OpenSocket):
                self.sockets[item.socket] = False
            elif isinstance(item, CloseSocket):
                self.sockets.pop(item.socket, None)
            elif isinstance(item, ANSWERS):
                self.answered[item.request_id] += 1
            json.dumps(str(item))

    def count_creates(self, item):
        """Count how often the bytes of each new order left."""
        if isinstance(item, SendText):
            asked = json.loads(item.text)
            if asked["method"] == "order.place":
                self.created[asked["params"]["newClientOrderId"]] += 1
        elif item.method == "POST" and item.target.partition("?")[0].endswith(("/order", "/batchOrders")):
            params = dict(parse_qsl(item.target.partition("?")[2]))
            for order in json.loads(params.get("batchOrders", "[]")) or [params]:
                self.created[order["newClientOrderId"]] += 1

    # ---- the desk

    @rule(kinds=st.lists(st.integers(0, 8), min_size=1, max_size=7), lots=st.integers(1, 5000))
    def ask(self, kinds, lots):
        made = []
        for kind in kinds:
            self.next_id += 1
            number, symbol, name = self.next_id, f"{self.venue}:BTCUSDT", f"e-a-b-{self.next_id}"
            side = Side(number % 2)
            made.append(
                (
                    commands.Place(number, name, symbol, side, self.price_ticks, lots),
                    commands.Place(number, name, symbol, side, self.price_ticks, lots, is_post_only=True),
                    commands.Cancel(number, symbol, f"e-a-b-{number - 1}"),
                    commands.CancelAll(number, symbol),
                    commands.AskOrder(number, symbol, f"e-a-b-{number - 1}"),
                    commands.AskOpenOrders(number, symbol if number % 3 else ""),
                    commands.AskFills(number, symbol, "5" if number % 3 else ""),
                    commands.AskAccount(number),
                    commands.Countdown(number, symbol, 1000),
                )[kind]
            )
        self.asked |= {one.request_id for one in made}
        self.take(self.adapter.carry_out(made, self.now_ns))

    # ---- the network

    @rule(ms=st.sampled_from((1, 10, 50, 300, 3000, 12_500)))
    def pass_time(self, ms):
        self.now_ns += ms * NS_PER_MS
        self.take(self.adapter.on_time(self.now_ns))

    @rule()
    def serve_all(self):
        """Open what is wanted and answer everything well."""
        for socket, is_open in list(self.sockets.items()):
            if not is_open:
                self.sockets[socket] = True
                self.take(self.adapter.on_opened(socket, self.now_ns))
        work, self.work = self.work, []
        for item in work:
            self.serve(item, 200, answer_body(self.venue, item, self.now_ns))
            self.done.append(item)

    def serve(self, item, status, body):
        if isinstance(item, HttpCall):
            self.take(self.adapter.on_http(item.call_id, status, (), body, self.now_ns))
            return
        asked = json.loads(item.text)
        word = "result" if status == 200 else "error"
        frame = b'{"id":%s,"status":%d,"%s":%s}' % (
            json.dumps(asked["id"]).encode(), status, word.encode(), body or b"null",
        )  # fmt: skip
        self.take(self.adapter.on_text(item.socket, frame, self.now_ns))

    @rule(data=st.data(), status=st.sampled_from(STATUSES), code=st.sampled_from(CODES))
    def refuse(self, data, status, code):
        if self.work:
            item = self.work.pop(data.draw(st.integers(0, len(self.work) - 1)))
            self.done.append(item)
            self.serve(item, status, json.dumps({"code": code, "msg": "Unknown order sent."}).encode())

    @rule(data=st.data())
    def damage(self, data):
        if self.work:
            item = self.work.pop(data.draw(st.integers(0, len(self.work) - 1)))
            self.done.append(item)
            body = damaged(answer_body(self.venue, item, self.now_ns), data.draw)
            if isinstance(item, SendText) and data.draw(st.booleans()):
                self.take(self.adapter.on_text(item.socket, body, self.now_ns))
            else:
                self.serve(item, 200, body)

    @rule(data=st.data())
    def answer_again(self, data):
        if self.done:
            item = data.draw(st.sampled_from(self.done))
            self.serve(item, 200, answer_body(self.venue, item, self.now_ns))

    @rule(data=st.data(), is_sent=st.booleans())
    def lose(self, data, is_sent):
        if self.work:
            item = self.work.pop(data.draw(st.integers(0, len(self.work) - 1)))
            if isinstance(item, HttpCall):
                self.take(self.adapter.on_http_failed(item.call_id, "reset", is_sent, self.now_ns))

    @rule(data=st.data())
    def cut(self, data):
        if self.sockets:
            socket = data.draw(st.sampled_from(sorted(self.sockets)))
            del self.sockets[socket]
            self.take(self.adapter.on_closed(socket, "reset by peer", self.now_ns))

    @rule(data=st.data(), text=st.binary(max_size=60))
    def hear_noise(self, data, text):
        if self.sockets:
            socket = data.draw(st.sampled_from(sorted(self.sockets)))
            self.take(self.adapter.on_text(socket, text, self.now_ns))

    # ---- what must hold

    @invariant()
    def no_answer_comes_twice_or_unasked(self):
        assert set(self.answered) <= self.asked
        assert all(count == 1 for count in self.answered.values()), self.answered

    @invariant()
    def no_order_leaves_twice(self):
        assert all(count == 1 for count in self.created.values()), self.created

    def teardown(self):
        """Let nothing be answered any more: everything asked is in doubt at the latest then."""
        for _ in range(12):
            self.pass_time(3000)
        assert set(self.answered) == self.asked, self.asked - set(self.answered)
        self.no_answer_comes_twice_or_unasked()
        self.no_order_leaves_twice()


class UsdmEnemy(Enemy):
    venue = USDM
    price_ticks = 600_000


LIMITS = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestSpot = pytest.mark.req("BR-8")(Enemy.TestCase)
TestSpot.settings = LIMITS
TestUsdm = UsdmEnemy.TestCase
TestUsdm.settings = LIMITS
