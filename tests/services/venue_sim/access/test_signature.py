"""Signatures of requests: published examples, requests that real clients sent, and one changed byte."""

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.venue_sim.access.signature import check, checker, rest_payload, ws_payload
from shared.errors import ConfigError


class Key(NamedTuple):
    key_type: str
    secret: str


def pem(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def keys(folder: Path) -> dict[str, Key]:
    kept = json.loads((folder / "recording_keys.json").read_text())
    return {
        "hmac": Key("hmac", kept["hmac_secret"]),
        "ed25519": Key("ed25519", kept["ed25519_public_pem"]),
        "rsa": Key("rsa", kept["rsa_public_pem"]),
    }


def recorded(folder: Path, key_type: str) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / f"client_requests_official_sdk_{key_type}.jsonl.gz", "rt") as file:
        for line in file:
            request = json.loads(line)
            if request.get("signed"):
                yield request


def payload_of(request: dict[str, Any]) -> tuple[bytes, str]:
    if request["transport"] == "http":
        return rest_payload(request["target"].partition("?")[2], request["body"])
    params = json.loads(request["frame"])["params"]
    return ws_payload(params), params["signature"]


@pytest.fixture
def vectors(captures: Path) -> Path:
    return captures / "vectors"


def test_the_published_examples_verify_and_hex_may_be_upper_case(vectors: Path) -> None:
    examples = json.loads((vectors / "signing_published.json").read_text())
    assert len(examples) >= 3
    for example in examples:
        key, payload = Key("hmac", example["secret"]), example["payload"].encode()
        assert check(key, payload, example["signature"], is_strict=True), example["id"]
        assert check(key, payload, example["signature"].upper(), is_strict=True), example["id"]
        if example["venue"].endswith("wsapi"):
            assert ws_payload({**dict(example["params"]), "signature": "x"}) == payload


@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_recorded_requests_of_the_official_clients_verify_over_the_bytes_as_sent(
    vectors: Path, key_type: str
) -> None:
    key = keys(vectors)[key_type]
    rest = ws = mistaken = 0
    for request in recorded(vectors, key_type):
        payload, signature = payload_of(request)
        is_right = request.get("valid_over_percent_encoded", request.get("valid_over_sorted_unencoded"))
        assert check(key, payload, signature, is_strict=True) == is_right, request
        assert check(key, payload, signature, is_strict=False), request
        rest += request["transport"] == "http"
        ws += request["transport"] == "ws"
        mistaken += not is_right
    assert rest >= 20
    assert ws >= 4
    assert mistaken >= 1, "the ids with `:` and `/` are signed percent-encoded by that client"


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_one_changed_byte_at_any_place_of_payload_or_signature_is_refused(
    vectors: Path, key_type: str, is_strict: bool
) -> None:
    key = keys(vectors)[key_type]
    for request in list(recorded(vectors, key_type))[:4]:
        payload, signature = payload_of(request)
        for at in range(len(payload)):
            changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
            assert not check(key, changed, signature, is_strict), (at, request)
        for at, old in enumerate(signature):
            new = next(char for char in "AbC0" if char.lower() != old.lower())
            changed_text = signature[:at] + new + signature[at + 1 :]
            assert not check(key, payload, changed_text, is_strict), (at, request)


def test_every_byte_value_in_the_place_of_one_byte_is_refused(vectors: Path) -> None:
    key = keys(vectors)["ed25519"]
    payload, signature = payload_of(next(recorded(vectors, "ed25519")))
    for value in range(256):
        changed = bytes([value]) + payload[1:]
        assert check(key, changed, signature, is_strict=True) == (value == payload[0])


def test_the_last_letter_of_base64_has_one_spelling_only() -> None:
    # given a signature whose last letter carries four bits that decoding throws away
    private = ed25519.Ed25519PrivateKey.generate()
    text = base64.b64encode(private.sign(b"symbol=BTCUSDT")).decode()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(text[85]) ^ 1]

    # then only the canonical letter is taken
    key = Key("ed25519", pem(private))
    assert check(key, b"symbol=BTCUSDT", text, is_strict=True)
    assert base64.b64decode(text[:85] + other + "==") == base64.b64decode(text)
    assert not check(key, b"symbol=BTCUSDT", text[:85] + other + "==", is_strict=False)


def test_query_and_body_are_signed_as_one_text_and_the_signature_may_stand_in_either() -> None:
    assert rest_payload("symbol=A&signature=a%2Bb%3D", "side=BUY") == (b"symbol=Aside=BUY", "a+b=")
    assert rest_payload("symbol=A", "side=BUY&signature=ff") == (b"symbol=Aside=BUY", "ff")
    assert rest_payload("symbol=%EF%BC%91", "") == (b"symbol=%EF%BC%91", "")


def test_lenient_takes_a_signature_percent_encoded_inside_json_and_strict_does_not() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, payload = Key("ed25519", pem(private)), b"a=1&timestamp=2"
    encoded = base64.b64encode(private.sign(payload)).decode().replace("+", "%2B").replace("=", "%3D")
    encoded = encoded.replace("/", "%2F")
    assert not check(key, payload, encoded, is_strict=True)
    assert check(key, payload, encoded, is_strict=False)


def test_parameters_of_the_websocket_api_are_sorted_and_written_as_they_came() -> None:
    params = {"timestamp": 12, "b": "x y", "a": True, "list": ["A", 1], "price": 0.1, "signature": "zz"}
    assert ws_payload(params) == b'a=true&b=x y&list=["A",1]&price=0.1&timestamp=12'


@pytest.mark.parametrize("signature", ["", "zz", "é", "A" * 88, "====", "\ud800", "00" * 32])
@pytest.mark.parametrize("key_type", ["hmac", "ed25519", "rsa"])
def test_no_text_that_is_no_signature_passes_or_breaks_the_check(
    vectors: Path, key_type: str, signature: str
) -> None:
    for is_strict in (True, False):
        assert not check(keys(vectors)[key_type], b"a=1", signature, is_strict)


def test_a_key_that_cannot_be_used_says_what_to_give() -> None:
    small = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ConfigError, match="give one of hmac, ed25519, rsa"):
        checker("dsa", "x")
    with pytest.raises(ConfigError, match="cannot be read"):
        checker("rsa", "no pem")
    with pytest.raises(ConfigError, match="is no rsa key"):
        checker("rsa", pem(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(ConfigError, match="1024 bits"):
        checker("rsa", pem(small))


def test_a_venue_with_hmac_keys_only_never_loads_cryptography() -> None:
    program = (
        "import sys\n"
        "from services.venue_sim.access.signature import checker\n"
        "assert not checker('hmac', 's')(b'a=1', 'ff')\n"
        "assert not any(name.startswith('cryptography') for name in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
