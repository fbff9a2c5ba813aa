import socket
import stat

import pytest

from services.gateway.settings import GatewaySettings
from services.gateway.shell import bind, read_token
from shared.errors import ConfigError
from shared.runtime.paths import DataDir


@pytest.fixture
def data(tmp_path):
    found = DataDir(tmp_path / "data")
    found.prepare()
    return found


@pytest.mark.req("W-01")
def test_a_token_is_made_once_for_its_owner_only(data):
    token = read_token(data)

    assert len(token) >= 32
    assert stat.S_IMODE((data.run / "token").stat().st_mode) == 0o600
    assert read_token(data) == token


@pytest.mark.req("W-01")
@pytest.mark.parametrize(
    "text", ["", " ", "short", "x" * 15, "sample\n", "pässword-of-the-bot", "a\x00" * 20]
)
def test_a_weak_token_stops_the_start(data, text):
    (data.run / "token").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match="no usable token"):
        read_token(data)


def test_a_busy_port_is_a_clear_error_that_says_what_to_do():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*gateway.port"):
            bind("127.0.0.1", port)


@pytest.mark.req("W-02")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_an_address_that_others_reach_must_be_meant(host):
    with pytest.raises(ValueError, match="exposed: true"):
        GatewaySettings(host=host)

    assert GatewaySettings(host=host, exposed=True).host == host
