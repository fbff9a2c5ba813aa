"""A run as a file: what was written is read back; what is no whole run is refused by name."""

import pytest

from services.backtest.record import MAGIC, Counts, DataFile, Meta, Run, Strategy
from services.backtest.tables import FILLED, Fills
from shared.errors import JournalError
from shared.messages.market import InstrumentRules

RULES = InstrumentRules(
    "binance:BTCUSDT",
    "BTC",
    "USDT",
    "0.01",
    "0.00001",
    8,
    10,
    1,
    10**9,
    0,
    1,
    10**9,
    1000,
    1000,
    False,
)


def small_run() -> Run:
    run = Run(
        Meta(source="backtest", path="array", settings={"gamma": 0.1}, notes=["a note"]),
        [RULES],
        [Strategy("maker", "grid", "v1")],
        [DataFile("btc.columns", "ab" * 32, 10, 1, 9)],
        Counts(events=10, orders=1),
    )
    order = run.orders.add(ts_ns=1, lots=5, filled_lots=5, state=FILLED, accepted_ns=2, filled_ns=3)
    run.fills.add(ts_ns=3, seq=7, order=order, price_ticks=100, lots=5, fee_atoms=-2, mid_half_ticks=201)
    run.funding.add(ts_ns=4, rate_e8=100, amount_atoms=-7)
    run.marks.add(ts_ns=4, mid_half_ticks=203)
    return run


@pytest.mark.req("BT-2")
def test_a_saved_run_is_read_back_whole(tmp_path):
    run = small_run()

    run.save(tmp_path / "a.run")
    found = Run.load(tmp_path / "a.run")

    assert found.meta == run.meta
    assert (found.markets, found.strategies, found.data) == (run.markets, run.strategies, run.data)
    assert found.counts == run.counts
    for name in ("fills", "orders", "funding", "marks"):
        assert list(getattr(found, name).rows()) == list(getattr(run, name).rows())
    assert [path.name for path in tmp_path.iterdir()] == ["a.run"]


def test_every_cut_of_a_file_and_every_changed_part_is_refused_by_name(tmp_path):
    content = small_run().encode()

    for length in (0, 3, 7, 20, 47, 48, len(content) // 2, len(content) - 1):
        with pytest.raises(JournalError, match=r"a\.run is"):
            Run.decode(content[:length], "a.run")
    for at in (10, 20, 50, len(content) - 1):
        changed = bytearray(content)
        changed[at] ^= 1
        with pytest.raises(JournalError, match=r"a\.run is (cut|damaged)"):
            Run.decode(bytes(changed), "a.run")


def test_another_form_and_another_kind_of_file_are_told_apart():
    content = small_run().encode()

    with pytest.raises(JournalError, match="run the backtest again"):
        Run.decode(MAGIC[:7] + b"\x09" + content[8:], "a.run")
    with pytest.raises(JournalError, match="is no run"):
        Run.decode(b"{}" * 50, "a.json")


def test_tables_that_do_not_fit_together_are_not_written():
    run = small_run()
    run.fills.market[0] = 1
    with pytest.raises(ValueError, match="market 1, the run has 1"):
        run.encode()

    run = small_run()
    run.fills.order[0] = 1
    with pytest.raises(ValueError, match="names order 1, the run has 1"):
        run.encode()

    run = small_run()
    run.fills.lots.append(1)
    with pytest.raises(ValueError, match="unequal length"):
        run.encode()

    run = small_run()
    run.fills.add(ts_ns=2, order=-1)
    with pytest.raises(ValueError, match="row 1 at 2 ns is before"):
        run.encode()


def test_a_disk_that_takes_nothing_leaves_nothing_and_says_so(tmp_path):
    with pytest.raises(JournalError, match="could not be written"):
        small_run().save(tmp_path / "missing" / "a.run")


def test_columns_extended_in_bulk_are_padded_with_zeros():
    fills = Fills()
    fills.ts_ns.frombytes((5).to_bytes(8, "little") * 3)
    fills.pad()

    fills.check()
    assert list(fills.lots) == [0, 0, 0]
    with pytest.raises(TypeError, match="no column price"):
        fills.add(price=1)
