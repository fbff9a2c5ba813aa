"""Signatures of requests as the venue checks them: HMAC-SHA256, Ed25519 and RSA over the exact bytes.

The payload of a REST call is its query followed by its body, as transmitted, without `signature`; that of a
WebSocket API call its parameters in the order of their names, not percent-encoded. Strict checking takes
nothing else. Lenient checking also takes what real clients sign by mistake: the decoded REST payload, the
percent-encoded WebSocket payload, a signature that is percent-encoded inside JSON.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import msgspec

from shared.errors import ConfigError

HMAC = "hmac"
ED25519 = "ed25519"
RSA = "rsa"
KEY_TYPES = (HMAC, ED25519, RSA)
RSA_BITS = (2048, 4096)
KEYS_KEPT = 256

Check = Callable[[bytes, str], bool]


class SigningKey(Protocol):
    """What a signature is checked with: the secret of an HMAC key, the public PEM of the other types."""

    @property
    def key_type(self) -> str:
        """One of KEY_TYPES."""

    @property
    def secret(self) -> str:
        """HMAC secret, or PEM of the public key."""


def check(key: SigningKey, payload: bytes, signature: str, is_strict: bool) -> bool:
    """Return whether `signature` is that of `payload` under `key`.

    `signature` is the text after URL decoding. Raises ConfigError for a public key that cannot be read.
    """
    is_signed = checker(key.key_type, key.secret)
    if is_signed(payload, signature):
        return True
    if is_strict:
        return False
    texts = {signature, unquote(signature), signature.replace(" ", "+")}
    return any(is_signed(other, text) for other in (payload, *_mistaken(payload)) for text in texts)


def rest_payload(query: str, body: str) -> tuple[bytes, str]:
    """Return (the signed bytes, the decoded signature, empty when there is none) of a REST call."""
    kept: list[str] = []
    signature = ""
    for part in (query, body):
        pairs = part.split("&") if part else []
        for pair in pairs:
            if pair.startswith("signature=") and not signature:
                signature = unquote_plus(pair.removeprefix("signature="))
        kept.append("&".join(pair for pair in pairs if not pair.startswith("signature=")))
    return "".join(kept).encode("utf-8", "surrogateescape"), signature


def ws_payload(params: Mapping[str, object]) -> bytes:
    """Return the signed bytes of a WebSocket API call; numbers must still have the digits that were sent."""
    pairs = (f"{name}={_text(value)}" for name, value in sorted(params.items()) if name != "signature")
    return "&".join(pairs).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=KEYS_KEPT)
def checker(key_type: str, secret: str) -> Check:
    """Return the check of one key, loaded once; raises ConfigError for a key that cannot be used."""
    if key_type == HMAC:
        return _hmac(secret.encode())
    if key_type not in KEY_TYPES:
        raise ConfigError(f"key type {key_type!r} is unknown; give one of {', '.join(KEY_TYPES)}")
    return _public_key(key_type, secret)


def _hmac(secret: bytes) -> Check:
    def is_signed(payload: bytes, signature: str) -> bool:
        expected = hmac.digest(secret, payload, "sha256").hex()
        return hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace"))

    return is_signed


def _public_key(key_type: str, pem: str) -> Check:
    """Load an Ed25519 or RSA key; a venue that has none never imports cryptography."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"the public {key_type} key cannot be read ({error}); give its PEM") from None
    verify: Callable[[bytes, bytes], None]
    if key_type == ED25519 and isinstance(key, ed25519.Ed25519PublicKey):
        verify = key.verify
    elif key_type == RSA and isinstance(key, rsa.RSAPublicKey):
        rsa_key = key
        if not RSA_BITS[0] <= rsa_key.key_size <= RSA_BITS[1]:
            raise ConfigError(
                f"the RSA key has {rsa_key.key_size} bits; the venue takes {RSA_BITS[0]} to {RSA_BITS[1]}"
            )

        def verify(signature: bytes, payload: bytes) -> None:
            rsa_key.verify(signature, payload, padding.PKCS1v15(), SHA256())
    else:
        raise ConfigError(f"the key is no {key_type} key; give the PEM of an {key_type} public key")

    def is_signed(payload: bytes, signature: str) -> bool:
        raw = _canonical_base64(signature)
        if raw is None:
            return False
        try:
            verify(raw, payload)
        except InvalidSignature:
            return False
        return True

    return is_signed


def _canonical_base64(text: str) -> bytes | None:
    """Return the bytes, None unless `text` is the one way to write them: a changed byte never passes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _mistaken(payload: bytes) -> Iterator[bytes]:
    """Yield what clients are known to sign in place of `payload`."""
    text = payload.decode("utf-8", "replace")
    for other in (unquote(text), unquote_plus(text), quote(text, safe="=&"), quote_plus(text, safe="=&")):
        if other != text:
            yield other.encode()


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    return msgspec.json.encode(value).decode()
