"""What the campaign found, each once more by its shortest input."""

import contextlib
import gzip
import json

import msgspec
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from services.broker.shell_latch import LatchFile
from services.cli import config
from services.gateway.guard import is_token
from services.hostile.processes import HostileMesh
from services.replay.cores import log_cores
from services.venue_sim import capture_file
from services.venue_sim.capture_file import read_capture
from services.venue_sim.capture_scan import scan_captures
from shared.errors import ConfigError, ProtocolError
from shared.hosting import CoreHost
from shared.messages import message_of
from shared.runtime.client import BusClient
from shared.runtime.snapshots import SnapshotStore

NO_UTF8 = b"\xa4\xff\xfe\xfd\xfc"
DEEP = b"[" * 100_000


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "hostile.gz"

    def write(*lines):
        path.write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines)))
        return str(path)

    return write


@pytest.mark.parametrize(
    "line",
    [
        b"9" * 5000 + b' {"stream":"btcusdt@trade","data":{}}',
        b'1700000000000000000 {"stream":"\xff\xfe","data":{}}',
        b"1700000000000000000 " + DEEP,
        b'1700000000000000000 {"stream":"btcusdt@trade","data":' + DEEP,
    ],
)
def test_a_capture_with_an_impossible_line_is_refused_with_its_number(capture, line):
    path = capture(line)

    with pytest.raises(ConfigError, match="line 1"):
        list(read_capture(path, allow_truncated=False))
    with pytest.raises(ConfigError):
        scan_captures((path,))


def test_a_capture_whose_line_has_no_end_is_refused_before_it_fills_the_memory(capture, monkeypatch):
    monkeypatch.setattr(capture_file, "LINE_BYTES_MAX", 10_000)
    path = capture(b"1700000000000000000 " + b" " * 1_000_000)

    with pytest.raises(ConfigError, match="line 1: has over 10000 bytes"):
        list(read_capture(path, allow_truncated=False))


def test_a_damaged_snapshot_file_is_passed_over(tmp_path):
    store = SnapshotStore(tmp_path, "risk")
    folder = tmp_path / "risk"
    (folder / "000000000007-00000000000000000009.snap").write_bytes(b"\x98\x01" + NO_UTF8 + b"\x01" * 6)
    (folder / "000000000007-00000000000000000008.snap").write_bytes(b"\x91" * 100_000)

    assert list(store.newest_first()) == []


def test_a_latch_file_of_any_bytes_is_a_kill_and_no_error(tmp_path):
    latch = LatchFile(tmp_path)
    for text in (b'{"by":"\xff"}', DEEP, b"", b"\x00"):
        latch.path.write_bytes(text)

        assert latch.note().by == "file"


@pytest.mark.parametrize("service", ["strategy", "risk", "broker", "gateway"])
def test_the_state_of_a_core_is_restored_or_refused_by_a_value_error(service):
    core = next(core for core in log_cores() if core.service == service)
    host = CoreHost(core)
    parts = msgspec.msgpack.decode(host.snapshot())
    outbox = [["risk", 1, 0, 0, b"\xc1"]]

    for damaged in ([*parts[:5], outbox, parts[6]], [*parts[:6], b""], [*parts[:6], NO_UTF8], parts[:3]):
        with pytest.raises(ValueError):  # noqa: PT011  any text will do
            CoreHost(type(core)()).restore(msgspec.msgpack.encode(damaged))


def test_half_a_character_is_in_no_token():
    assert not is_token(json.loads('"\\ud800"'), "a-token-of-the-tests")
    assert is_token("a-token-of-the-tests", "a-token-of-the-tests")


@pytest.mark.mesh
def test_the_bus_lives_through_commands_and_questions_that_cannot_be_read():
    mesh = HostileMesh(with_gateway=False)
    try:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(mesh.data.append)
            socket.send_multipart([b"command", b"\x92" + NO_UTF8 + b"\xc4\x00"])
            assert socket.poll(10_000)
            assert socket.recv_multipart()[0] == b"refused"
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(mesh.data.read)
            for question in ((2**64 - 1, 1, []), (-(2**63), 2**64 - 1, [b"\xff"])):
                socket.send_multipart([b"read", msgspec.msgpack.encode(question)])
                assert socket.poll(10_000)
                assert "rows" in msgspec.msgpack.decode(socket.recv_multipart()[-1])

        assert BusClient(mesh.data).status()["epoch"] > 0
    finally:
        mesh.close()


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_message_or_a_protocol_error(body):
    with contextlib.suppress(ProtocolError):
        message_of(body)


@given(st.text(max_size=200), st.dictionaries(st.just("QUOTEMESH__GATEWAY__PORT"), st.text(max_size=50)))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_configuration_or_a_configuration_error(text, environ):
    with contextlib.suppress(ConfigError):
        config.loads("any.yaml", text, environ)
