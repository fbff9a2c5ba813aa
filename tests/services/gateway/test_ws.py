import json

import pytest
from starlette.websockets import WebSocketDisconnect

PATH = "ws://127.0.0.1:8686/api/v1/ws"
ALL = {"op": "subscribe"}


@pytest.mark.req("GW-4")
def test_a_client_with_the_token_in_its_header_subscribes_and_receives(client, feed, hub, view):
    feed.everything()
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"op": "subscribe", "channels": ["orders", "fills"]})
        assert socket.receive_json() == {"op": "subscribed", "channels": ["fills", "orders"]}
        assert len(hub.clients) == 1
    assert hub.clients == set()


@pytest.mark.req("GW-4")
def test_the_token_may_be_the_first_message(anyone, token):
    with anyone.websocket_connect(PATH) as socket:
        socket.send_json({"token": token})
        socket.send_json(ALL)
        assert socket.receive_json()["channels"] == ["book", "events", "fills", "orders", "status", "trades"]


@pytest.mark.req("GW-4", "W-06")
@pytest.mark.parametrize(
    "first", ['{"token": "wrong"}', "not json", "[]", "5", '{"token": 5}', '{"op": "subscribe"}', "[" * 5000]
)
def test_without_the_token_nothing_is_sent_and_the_socket_is_closed(anyone, hub, first):
    with anyone.websocket_connect(PATH) as socket:
        socket.send_text(first)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 4401
    assert hub.clients == set()


def test_a_wrong_token_in_the_header_is_not_given_a_second_try(anyone, token):
    headers = {"Authorization": "Bearer wrong"}
    with (
        anyone.websocket_connect(PATH, headers=headers) as socket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        socket.receive_text()

    assert closed.value.code == 4401


@pytest.mark.req("W-06", "W-07")
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}]
)
def test_another_origin_or_host_is_refused_before_the_handshake(client, hub, headers):
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect(PATH, headers=headers):
        pass

    assert closed.value.code == 1008
    assert hub.clients == set()


@pytest.mark.parametrize(
    "request_text",
    [
        "x",
        "[]",
        '{"op": "buy"}',
        '{"op": "subscribe", "channels": ["money"]}',
        '{"op": "subscribe", "channels": "orders"}',
        '{"op": "subscribe", "channels": [1]}',
        json.dumps({"op": "subscribe", "symbols": ["x"] * 101}),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_right(client, request_text):
    with client.websocket_connect(PATH) as socket:
        socket.send_text(request_text)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()

    assert closed.value.code == 1003
    assert closed.value.reason


def test_more_clients_than_allowed_are_sent_away(client, hub):
    for _ in range(3):
        hub.join()
    with client.websocket_connect(PATH) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()

    assert closed.value.code == 1013
