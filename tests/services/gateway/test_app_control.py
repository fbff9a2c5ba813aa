"""What people ask of the mesh through the gateway, and what they are told."""

import pytest

from shared.messages import control

SYMBOL = "binance_usdm:BTCUSDT"


def test_a_control_request_is_answered_with_its_durable_seq(client, feed, desk):
    feed.everything()
    calls = [
        (
            "pause",
            {"strategy": "as_btc", "reason": "look"},
            control.PauseRequested("as_btc", "gateway", "look"),
        ),
        ("resume", {}, control.ResumeRequested("", "gateway", "")),
        ("cancel-all", {"symbol": SYMBOL}, control.CancelAllRequested(SYMBOL, "gateway", "")),
        ("reconcile", {"reason": "to be sure"}, control.ReconcileRequested("gateway", "to be sure")),
        ("kill/clear", {"reason": "checked"}, control.KillClearRequested("gateway", "checked")),
    ]
    for path, body, said in calls:
        answer = client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 200
        assert answer.json()["is_durable"] is True
        assert desk.asked[-1] == said
    assert answer.json()["seq"] == str(2**53 + 5)


@pytest.mark.req("RK-10")
def test_a_resume_without_a_reason_is_answered_with_what_it_does_not_do(client):
    with_reason = client.post("/api/v1/resume", json={"reason": "looked"}).json()
    without = client.post("/api/v1/resume", json={"reason": " "}).json()

    assert with_reason["text"] == ""
    assert without["text"] == "without a reason nothing that risk holds was released"


@pytest.mark.req("RK-12", "I-26")
def test_a_clear_is_answered_with_what_the_broker_says_to_it(client, desk):
    cleared = client.post("/api/v1/kill/clear", json={"reason": "checked"})
    desk.refused = "the broker has not reconciled its run 3"
    refused = client.post("/api/v1/kill/clear", json={"reason": "checked"})
    desk.refused = None
    silent = client.post("/api/v1/kill/clear", json={"reason": "checked"})

    assert (cleared.status_code, cleared.json()["text"]) == (200, "the kill is cleared")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "the kill still stands: the broker has not reconciled its run 3"
    assert (silent.status_code, silent.json()["text"]) == (
        200,
        "the broker has not answered yet; look at the status",
    )


@pytest.mark.req("RK-11")
def test_kill_needs_no_body_and_latches_the_file_first(client, desk):
    answer = client.post("/api/v1/kill")

    assert answer.json()["is_latched"] is True
    assert desk.latched == ["no reason given"]
    assert desk.asked == [control.KillRequested("gateway", "no reason given")]


@pytest.mark.req("RK-11")
def test_kill_works_while_the_bus_is_dead(client, desk):
    desk.is_dead = True

    answer = client.post("/api/v1/kill", json={"reason": "fire"})

    assert answer.status_code == 200
    assert (answer.json()["is_latched"], answer.json()["is_durable"], answer.json()["seq"]) == (
        True,
        False,
        None,
    )
    assert desk.latched == ["fire"]


def test_other_requests_say_that_nothing_is_confirmed_while_the_bus_is_dead(client, desk):
    desk.is_dead = True

    answer = client.post("/api/v1/pause", json={})

    assert (answer.status_code, answer.json()["title"]) == (503, "not confirmed")


@pytest.mark.req("RK-12")
@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "   "}, {"reason": 5}, {"reason": "x" * 501}, []]
)
def test_clearing_a_kill_needs_a_reason(client, desk, body):
    assert client.post("/api/v1/kill/clear", json=body).status_code == 422
    assert desk.asked == []


@pytest.mark.parametrize("path", ["pause", "resume"])
def test_an_unknown_strategy_is_named_with_those_that_run(client, feed, desk, path):
    feed.everything()
    answer = client.post(f"/api/v1/{path}", json={"strategy": "as_bct"})

    assert answer.status_code == 404
    assert "as_btc" in answer.json()["detail"]
    assert desk.asked == []
