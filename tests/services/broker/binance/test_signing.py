"""Signatures: the venue's published examples, what real clients sent, and our own bytes as they leave."""

import base64
import gzip
import hmac
import json
from urllib.parse import parse_qsl, quote, unquote

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding

from services.broker.binance.signing import (
    HmacSigner,
    KeyFormError,
    api_payload,
    query_of,
    signed_params,
    signed_query,
    signer_of,
)
from shared.execution import commands
from shared.execution.outside import HttpCall, SendText
from tests.services.broker.binance.conftest import keys_for

KINDS = ("hmac", "ed25519", "rsa")


@pytest.fixture(scope="module")
def vectors(captures):
    return captures / "vectors"


def holds(kind, public, payload, signature):
    """Return whether a signature is right, checked apart from the code under test."""
    if kind == "hmac":
        return hmac.digest(public.encode(), payload, "sha256").hex() == signature
    key = serialization.load_pem_public_key(public.encode())
    try:
        raw = base64.b64decode(signature)
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, payload)
        else:
            key.verify(raw, payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def test_the_published_examples_come_out_to_the_digit(vectors):
    examples = json.loads((vectors / "signing_published.json").read_text())
    assert len(examples) >= 3
    for one in examples:
        signer = HmacSigner(one["secret"])
        assert signer.sign(one["payload"].encode()) == one["signature"]
        params = dict(one.get("params", []))
        if one["venue"] == "spot-wsapi":
            assert api_payload(params) == one["payload"].encode()
            del params["apiKey"]
            assert signed_params(params, one["api_key"], signer)["signature"] == one["signature"]
        elif params:
            assert query_of(params) == one["payload"]
            assert signed_query(params, signer) == f"{one['payload']}&signature={one['signature']}"


def test_ids_and_symbols_are_encoded_before_they_are_signed():
    signer = HmacSigner("s" * 32)
    params = {
        "symbol": "\uff11\uff12",
        "newClientOrderId": "grid:1/a_b-c.d~e",
        "list": '["a","b"]',
        "is": True,
    }

    text = signed_query(params, signer)

    payload, _, signature = text.partition("&signature=")
    assert payload == (
        "symbol=%EF%BC%91%EF%BC%92&newClientOrderId=grid%3A1%2Fa_b-c.d~e&list=%5B%22a%22%2C%22b%22%5D&is=true"
    )
    assert signature == signer.sign(payload.encode())
    assert (
        api_payload(params)
        == 'is=true&list=["a","b"]&newClientOrderId=grid:1/a_b-c.d~e&symbol=\uff11\uff12'.encode()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_would_send_for_recorded_requests_has_their_bytes_and_a_valid_signature(vectors, kind):
    """The recording keys have no private part here, so a key of ours signs the same params."""
    public, secret = keys_for(kind)
    signer = signer_of(secret)
    recorded = json.loads((vectors / "recording_keys.json").read_text())
    theirs = recorded["hmac_secret"] if kind == "hmac" else recorded[f"{kind}_public_pem"]
    count = 0
    with gzip.open(vectors / f"client_requests_official_sdk_{kind}.jsonl.gz", "rt") as lines:
        for line in lines:
            one = json.loads(line)
            if one["transport"] != "http" or not one["signed"]:
                continue
            payload, _, signature = one["target"].partition("?")[2].rpartition("&signature=")
            assert holds(kind, theirs, payload.encode(), unquote(signature))
            params = dict(parse_qsl(payload, keep_blank_values=True))
            assert query_of(params) == payload
            ours = signed_query(params, signer)
            assert ours.startswith(f"{payload}&signature=")
            assert holds(kind, public, payload.encode(), unquote(ours.rpartition("=")[2].replace("+", "%2B")))
            count += 1
    assert count > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("venue", ["binance", "binance_usdm"])
def test_every_byte_that_leaves_is_signed_over_what_is_sent(joined, venue, kind):
    line = joined(venue, kind).up()
    public = line.exchange.account_of_key(f"key-{kind}").secret
    line.ask(line.place(1, "e-a-b1-1"), commands.AskOpenOrders(2), commands.AskAccount(3))

    rest = [item for item in line.http if "signature=" in item.target]
    assert rest
    for call in rest:
        payload, _, signature = call.target.partition("?")[2].rpartition("&signature=")
        assert quote(unquote(signature), safe="") == signature
        assert holds(kind, public, payload.encode(), unquote(signature))
        assert ("X-MBX-APIKEY", f"key-{kind}") in call.headers
    frames = [json.loads(item.text) for item in line.frames]
    signed = [one["params"] for one in frames if "signature" in one.get("params", {})]
    if kind == "ed25519":
        assert [one["method"] for one in frames if "signature" in one.get("params", {})] == ["session.logon"]
    assert signed
    for params in signed:
        signature = params.pop("signature")
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        assert holds(kind, public, payload.encode(), signature)


def test_one_changed_byte_is_no_longer_signed():
    public, secret = keys_for("ed25519")
    signature = signer_of(secret).sign(b"symbol=BTCUSDT&quantity=1")
    assert holds("ed25519", public, b"symbol=BTCUSDT&quantity=1", signature)
    assert not holds("ed25519", public, b"symbol=BTCUSDT&quantity=2", signature)


def test_nothing_of_a_secret_is_in_what_an_adapter_says_or_in_a_refusal(joined):
    line = joined("binance_usdm", "hmac").up()
    line.ask(line.place(1, "e-a-b1-1"), commands.AskAccount(2))
    said = [repr(item) for item in line.said] + [
        repr(item) for item in line.work if isinstance(item, SendText)
    ]
    said += [item.target for item in line.work if isinstance(item, HttpCall)]
    assert not any(line.key.secret in text for text in said)
    with pytest.raises(KeyFormError) as caught:
        signer_of("Canary Canary Canary")
    assert "Canary" not in str(caught.value)
