"""Books of all venues together: the log that falls behind, epochs, isolation, and any bytes at all."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

S = 1000
PUBLIC, DEPTH, AGG = "binance_usdm/public", "btcusdt@depth@100ms", "btcusdt@aggTrade"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.req("I-32", "I-34", "MD-8")
def test_no_bytes_from_outside_ever_raise(kit, data):
    """Random bytes and mutated real frames on every door; the book stays closed or sound."""
    rig = kit.Rig(kit.one_market("binance_usdm"), kit.Venue()).start()
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 110, 100))
    last_id = 110
    for _ in range(data.draw(st.integers(1, 12))):
        good = json.dumps(
            {"stream": DEPTH, "data": kit.diff(rig, last_id + 1, last_id, [("99.0", "1")])}
        ).encode()
        start = data.draw(st.integers(0, len(good)))
        cut = data.draw(st.integers(0, 12))
        junk = data.draw(
            st.one_of(st.binary(max_size=12), st.sampled_from([b"", b'"', b"{", b"1e999", b"null"]))
        )
        frame = data.draw(st.sampled_from([good, good[:start] + junk + good[start + cut :], junk]))
        rig.raw(PUBLIC, frame)
        rig.raw("binance_usdm/market", frame)
        out = rig.core.on_response(
            data.draw(st.integers(0, 9)), data.draw(st.sampled_from([0, 200, 400])), frame, 1
        )
        assert isinstance(out, list)
        last_id = rig.core.venues["binance_usdm"].markets["BTCUSDT"].book.sync.last_id
        market = rig.core.venues["binance_usdm"].markets["BTCUSDT"]
        assert not market.book.is_open or market.book.book.is_trusted or 0 in (
            market.book.book.bid_ticks, market.book.book.ask_ticks
        )  # fmt: skip
    consumer = kit.LogBook("binance_usdm:BTCUSDT", "0.10", "0.001")
    for message in rig.said:
        consumer.take(message)


@pytest.mark.req("MD-13", "MD-14", "MD-9")
def test_prices_come_at_most_every_50_ms_only_when_changed_and_each_second_when_not(kit, rig):
    kit.live(rig)
    rig.pass_ms(100)
    rig.said.clear()
    for i in range(20):
        rig.frame("binance_usdm", DEPTH, kit.diff(rig, 111 + i, 110 + i, bids=[("100.0", str(2 + i))]))
        rig.pass_ms(10)
    busy = rig.of(kit.PriceUpdate)
    rig.said.clear()
    rig.pass_ms(3050)

    assert 3 <= len(busy) <= 5
    assert busy[-1].bid_lots >= 17_000
    assert busy[-1].is_trusted
    assert len(rig.of(kit.PriceUpdate)) in (3, 4)


@pytest.mark.req("MD-11", "MD-21")
def test_every_book_is_said_whole_each_minute_at_a_new_epoch_and_after_a_gap_of_the_log(kit, venue):
    rig = kit.Rig(kit.one_market("binance_usdm", depth_stale_ms=10**9, silence_ms=10**9), venue).start()
    kit.live(rig)

    rig.pass_ms(60 * S)
    rig._take(rig.core.on_new_epoch(rig.now_ns))
    rig._take(rig.core.on_source_gap(rig.now_ns))

    assert [(m.reason, m.update_n) for m in rig.of(kit.BookSnapshot)] == [
        ("period", 2),
        ("epoch", 2),
        ("gap", 2),
    ]
    assert len(rig.of(kit.InstrumentRules)) == 1


def test_a_closed_book_is_said_closed_again_at_a_new_epoch(kit, rig):
    kit.live(rig)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 200, 150))
    rig.said.clear()

    rig._take(rig.core.on_new_epoch(rig.now_ns))

    assert kit.reasons(rig) == ["gap"]
    assert not rig.of(kit.BookSnapshot)


@pytest.mark.req("MD-28")
def test_far_behind_the_log_updates_become_one_snapshot_and_what_was_dropped_is_counted(kit, rig):
    kit.live(rig)
    rig.backlog(3000)
    for i in range(50):
        rig.frame("binance_usdm", DEPTH, kit.diff(rig, 111 + i, 110 + i, bids=[("99.5", str(1 + i))]))
        rig.frame("binance_usdm", AGG, kit.trade(rig, 10 + i))
    rig.backlog(1500)
    assert rig.of(kit.BookUpdate, kit.BookSnapshot, kit.Trade) == []

    rig.backlog(100)
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 161, 160))

    snapshot, update = rig.of(kit.BookSnapshot, kit.BookUpdate)
    assert (snapshot.reason, snapshot.last_update_id, update.last_update_id) == ("conflated", 160, 161)
    assert update.update_n == snapshot.update_n + 1
    assert rig.core.venues["binance_usdm"].counters.dropped_count == 100


@pytest.mark.req("MD-21")
def test_a_book_of_one_market_cannot_change_another(kit, venue):
    feeds = (
        kit.FeedVenue(name="binance_usdm", symbols=("BTCUSDT", "ETHUSDT")),
        kit.FeedVenue(name="binance", symbols=("BTCUSDT",)),
    )
    rig = kit.Rig(kit.MarketDataSettings(venues=feeds), venue).start()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        rig.frame("binance_usdm", f"{symbol.lower()}@depth@100ms", kit.diff(rig, 110, 100, symbol=symbol))
    spot = {k: v for k, v in kit.diff(rig, 110, 100).items() if k not in ("pu", "T")}
    rig.frame("binance", DEPTH, spot)
    others = [
        rig.core.venues["binance_usdm"].markets["ETHUSDT"],
        rig.core.venues["binance"].markets["BTCUSDT"],
    ]
    before = [(m.book.book.dump(), m.book.update_n, m.book.is_open) for m in others]
    rig.said.clear()

    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=[("99.5", "9")]))
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 900, 800))
    rig.disconnect(PUBLIC)

    assert [(m.book.book.dump(), m.book.update_n) for m in others] == [b[:2] for b in before]
    assert others[1].book.is_open
    assert {m.symbol for m in rig.of(kit.BookUpdate)} == {"binance_usdm:BTCUSDT"}
    assert {m.symbol for m in rig.of(kit.BookInvalid)} == {"binance_usdm:BTCUSDT", "binance_usdm:ETHUSDT"}


def test_the_same_inputs_give_the_same_messages(kit, venue):
    def run():
        rig = kit.Rig(kit.one_market("binance_usdm"), venue).start()
        for i in range(30):
            rig.frame(
                "binance_usdm", DEPTH, kit.diff(rig, 110 + i, 109 + i if i else 100, bids=[("99.0", str(i))])
            )
            rig.pass_ms(37)
        rig.disconnect(PUBLIC)
        rig.pass_ms(5 * S)
        return rig.said

    assert run() == run()


HOT_PATH = (
    *(f"services/market_data/{name}.py" for name in (
        "core", "venue_feed", "market", "book_feed", "sync", "levels", "trades", "prices", "backoff", "verify"
    )),
    "shared/venues/base.py", "shared/venues/binance.py", "shared/kernels/levels.py", "shared/kernels/book.py",
    "shared/messages/market.py",
)  # fmt: skip


@pytest.mark.req("MD-8")
@pytest.mark.parametrize("name", HOT_PATH)
def test_no_float_is_on_the_way_from_the_frame_to_the_log(name):
    tree = ast.parse((Path(__file__).resolve().parents[3] / name).read_text())

    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and type(node.value) is float), f"line {node.lineno}"
        assert not (isinstance(node, ast.Name) and node.id in {"float", "round"}), f"line {node.lineno}"
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), f"line {node.lineno}"
