"""Signatures of the venue: which bytes are signed, and how (HMAC, Ed25519 or RSA).

REST signs the percent-encoded query exactly as sent (the venue demands it since 2026-01-15); the WebSocket
API signs the params sorted by name, not encoded.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

Param = str | int | bool
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 4096
HMAC_CHARS_MIN = 16


class KeyFormError(ValueError):
    """A secret that is no HMAC secret and no PEM of a private key the venue takes."""


class Signer(Protocol):
    """Signs with one secret; `kind` is hmac, ed25519 or rsa, and `repr` never shows the secret."""

    kind: str

    def sign(self, payload: bytes) -> str:
        """Return the signature of `payload` as the venue wants it, not percent-encoded."""
        ...

    def public_text(self) -> str:
        """Return what identifies the key pair without its secret: the public PEM, empty for HMAC."""
        ...


class HmacSigner:
    """HMAC-SHA256 over a shared secret; the signature is hexadecimal."""

    kind = "hmac"

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "HmacSigner(***)"

    def sign(self, payload: bytes) -> str:
        """Return 64 hexadecimal digits."""
        return hmac.digest(self._secret, payload, "sha256").hex()

    def public_text(self) -> str:
        """Return nothing: a shared secret has no public part."""
        return ""


class Ed25519Signer:
    """Ed25519, the kind the venue recommends and the only one that can log a session on."""

    kind = "ed25519"

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Ed25519Signer(***)"

    def sign(self, payload: bytes) -> str:
        """Return base64."""
        return base64.b64encode(self._key.sign(payload)).decode()

    def public_text(self) -> str:
        """Return the public key as PEM, which is what the venue is given."""
        return _public_pem(self._key.public_key())


class RsaSigner:
    """RSA, PKCS#1 v1.5 with SHA-256; about 1 ms a signature."""

    kind = "rsa"

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "RsaSigner(***)"

    def sign(self, payload: bytes) -> str:
        """Return base64."""
        return base64.b64encode(self._key.sign(payload, padding.PKCS1v15(), hashes.SHA256())).decode()

    def public_text(self) -> str:
        """Return the public key as PEM, which is what the venue is given."""
        return _public_pem(self._key.public_key())


def _public_pem(key: ed25519.Ed25519PublicKey | rsa.RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def signer_of(secret: str) -> Signer:
    """Return the signer for a PEM of a private key, or for the text of an HMAC secret.

    Raises `KeyFormError`, whose text never holds any of the secret.
    """
    text = secret.strip()
    if "-----BEGIN" not in text:
        return _hmac_of(text)
    if "PUBLIC KEY" in text:
        raise KeyFormError("this is a public key; the broker needs the private one, the venue the public one")
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error) as error:
        raise KeyFormError(
            "the PEM cannot be read: give an unencrypted PKCS#8 private key, as `openssl genpkey` writes it"
        ) from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519Signer(key)
    if isinstance(key, rsa.RSAPrivateKey):
        if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            raise KeyFormError(
                f"the RSA key has {key.key_size} bits; the venue takes {RSA_BITS_MIN} to {RSA_BITS_MAX}"
            )
        return RsaSigner(key)
    raise KeyFormError("the private key is neither Ed25519 nor RSA; the venue takes these two")


def _hmac_of(text: str) -> HmacSigner:
    if len(text) < HMAC_CHARS_MIN or not text.isascii() or not text.isprintable() or " " in text:
        raise KeyFormError(
            f"the secret has {len(text)} characters, or spaces among them; an HMAC secret of "
            "the venue has 64 letters and digits, a private key begins with -----BEGIN"
        )
    return HmacSigner(text)


def query_of(params: Mapping[str, Param]) -> str:
    """Return `params` percent-encoded in their order: the bytes that are signed and sent over REST."""
    return urlencode([(name, _text(value)) for name, value in params.items()], quote_via=quote, safe="")


def signed_query(params: Mapping[str, Param], signer: Signer) -> str:
    """Return the query of `params` with its signature as the last parameter."""
    query = query_of(params)
    return f"{query}&signature={quote(signer.sign(query.encode()), safe='')}"


def api_payload(params: Mapping[str, Param]) -> bytes:
    """Return the bytes that are signed for the WebSocket API: sorted by name, not encoded."""
    return "&".join(f"{name}={_text(params[name])}" for name in sorted(params)).encode()


def signed_params(params: Mapping[str, Param], api_key: str, signer: Signer) -> dict[str, Param]:
    """Return `params` with key and signature, as one request of the WebSocket API carries them."""
    whole: dict[str, Param] = {**params, "apiKey": api_key}
    return {**whole, "signature": signer.sign(api_payload(whole))}


def _text(value: Param) -> str:
    # A JSON `true` is signed as it is written.
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
