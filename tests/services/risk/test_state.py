"""What holds trading back, in the order of its strength."""

from services.risk.state import Mood


def test_all_reasons_are_told_and_kill_is_the_first():
    mood = Mood(broker_run=2, reconciled_run=1, silent=["market_data"], diverged=["strategy"])
    mood.quarantine["m:X"] = "overfill"

    assert mood.trading_state() == (
        "reducing",
        [
            "broker has not reconciled run 2",
            "market_data is silent",
            "strategy diverged from the log",
            "quarantine m:X: overfill",
        ],
    )
    mood.is_killed, mood.kill_reason = True, "test"
    assert mood.trading_state()[0] == "halted"
    assert mood.trading_state()[1][0] == "kill: test"


def test_without_a_reason_all_may_trade():
    assert Mood(broker_run=1, reconciled_run=1).trading_state() == ("active", [])
    assert Mood().trading_state() == ("reducing", ["broker has not started"])
