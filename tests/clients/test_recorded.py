"""Every request that the official clients were recorded to send is understood, with each key type."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.venue_sim.access.limits import Limits
from services.venue_sim.build import make_venue
from services.venue_sim.settings import AccountSettings, VenueSimSettings
from services.venue_sim.venue import SPOT, USDM, VENUES
from services.venue_sim.wire.api_session import ApiSession
from services.venue_sim.wire.http import VenueWire
from services.venue_sim.wire.user_streams import UserStreams
from shared.units import NS_PER_MS

# Codes that say "I understood you": what was asked for does not exist here, or a filter or the id refuses it.
UNDERSTOOD = {-1013, -1121, -2011, -2013, -2022, -4111, -5027, -2026, -4046, -4059}
ODD_ID = "grid:1/a_b-c.d"
KEY_TYPES = ["hmac", "ed25519", "rsa"]


def recorded(folder: Path, key_type: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"client_requests_official_sdk_{key_type}.jsonl.gz", "rt") as file:
        yield from map(json.loads, file)


class Desk:
    """A venue, without sockets, that knows the keys of the recordings."""

    def __init__(self, folder: Path, key_type: str, *, is_strict: bool) -> None:
        kept = json.loads((folder / "recording_keys.json").read_text())
        names = {"hmac": "hmac_secret", "ed25519": "ed25519_public_pem", "rsa": "rsa_public_pem"}
        account = AccountSettings(
            name="client", api_key=f"key-{key_type}", key_type=key_type, secret=kept[names[key_type]]
        )
        sim = make_venue(VenueSimSettings(accounts=(account,), regime="quiet"))
        streams = UserStreams(sim.exchange)
        self.wires = {
            venue: VenueWire(venue, sim.exchange, streams, Limits(venue), sim, is_strict=is_strict)
            for venue in VENUES
        }
        self.sim = sim
        self._session: ApiSession | None = None

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Replay a request with the clock set to when it came; return (status, what it says)."""
        now_ns = request["t_ms"] * NS_PER_MS
        venue = USDM if "fapi" in request["target"] else SPOT
        if request["transport"] == "ws-open":
            self._session = ApiSession(self.wires[venue], request["target"], now_ns)
            return 200, {}
        if request["transport"] == "ws":
            assert self._session is not None
            told = json.loads(self._session.take(request["frame"], now_ns)[0])
            assert told["id"] == json.loads(request["frame"])["id"]
            return told["status"], told.get("error", {})
        status, headers, body = self.wires[venue].http(
            request["method"],
            request["target"],
            list(request["headers"].items()),
            request["body"].encode(),
            now_ns,
        )
        assert any(name.startswith("X-MBX-USED-WEIGHT") for name, _ in headers)
        told = json.loads(body)
        return status, told if isinstance(told, dict) and status != 200 else {}


def is_understood(request: dict[str, Any], status: int, told: dict[str, Any]) -> bool:
    if status == 200 or told.get("code") in UNDERSTOOD:
        return True
    # Spot takes no `:` and `/` in the ids of clients.
    is_odd = ODD_ID in str(request.get("frame")) or "grid%3A1" in request["target"]
    return is_odd and told.get("code") == -1100


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_every_recorded_request_is_understood(captures: Path, key_type: str) -> None:
    folder = captures / "vectors"
    desk = Desk(folder, key_type, is_strict=False)
    requests = list(recorded(folder, key_type))
    desk.sim.resume(requests[0]["t_ms"] * NS_PER_MS)
    wrong = []
    for request in requests:
        status, told = desk.answer(request)
        if not is_understood(request, status, told):
            wrong.append((request.get("method"), request["target"][:60], request.get("frame"), told))
    assert wrong == []
    assert len(requests) >= 36


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_strictly_only_what_is_signed_over_the_bytes_as_sent_passes(captures: Path, key_type: str) -> None:
    folder = captures / "vectors"
    desk = Desk(folder, key_type, is_strict=True)
    requests = list(recorded(folder, key_type))
    desk.sim.resume(requests[0]["t_ms"] * NS_PER_MS)
    refused = []
    for request in requests:
        _, told = desk.answer(request)
        if told.get("code") == -1022:
            refused.append(request)
    assert refused
    assert all(request.get("valid_over_sorted_unencoded") is False for request in refused)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_request_with_one_changed_byte_is_refused(captures: Path, key_type: str) -> None:
    folder = captures / "vectors"
    desk = Desk(folder, key_type, is_strict=True)
    request = next(r for r in recorded(folder, key_type) if r["target"].startswith("/api/v3/account"))
    desk.sim.resume(request["t_ms"] * NS_PER_MS)
    assert desk.answer(request)[0] == 200
    changed = request | {"target": request["target"].replace("=true", "=false")}
    assert desk.answer(changed)[1]["code"] == -1022


def test_a_recorded_request_that_comes_again_later_is_too_old(captures: Path) -> None:
    folder = captures / "vectors"
    desk = Desk(folder, "hmac", is_strict=True)
    request = next(r for r in recorded(folder, "hmac") if r["target"].startswith("/api/v3/account"))
    desk.sim.resume(request["t_ms"] * NS_PER_MS)
    assert desk.answer(request | {"t_ms": request["t_ms"] + 6_000})[1]["code"] == -1021
