"""API keys of venues: read from files that only their owner can read, plain or encrypted with age (I-42).

A key called NAME is looked for in this order, and only the broker and commands of its owner look:

    run/secrets/NAME   what the launcher took out of the environment (QUOTEMESH_KEY_NAME) while the mesh runs
    keys/NAME.age      encrypted; opened by run/secrets/passphrase or run/secrets/identity (an age identity)
    keys/NAME.json     plain, for those who mount their own secret files

The content is JSON: {"api_key": ..., "secret": ...}; the secret is an HMAC secret or a private key as PEM.
"""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import msgspec
import pyrage
from pyrage import passphrase as age_passphrase
from pyrage import x25519

from services.broker.binance.signing import KeyFormError, Signer, signer_of
from shared.errors import UNDECODABLE, ConfigError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
API_KEY = re.compile(r"[\x21-\x7e]{3,256}")
KEY_BYTES_MAX = 64 * 1024
FOLDER = "keys"
SECRETS = "secrets"
PASSPHRASE, IDENTITY = "passphrase", "identity"


class PlacePath(Protocol):
    """What is asked of a path; a `pathlib.Path` has it."""

    def __truediv__(self, name: str) -> "PlacePath": ...

    def read_bytes(self) -> bytes:
        """Return the content."""
        ...

    def stat(self) -> "_Stat":
        """Return what the file system says of it."""
        ...


class _Stat(Protocol):
    @property
    def st_mode(self) -> int: ...

    @property
    def st_size(self) -> int: ...


class KeyPlace(Protocol):
    """Where keys lie: a `DataDir`."""

    @property
    def root(self) -> PlacePath:
        """The data directory."""
        ...

    @property
    def run(self) -> PlacePath:
        """What belongs to the running mesh."""
        ...


@dataclass(frozen=True)
class VenueKey:
    """A key of one account; neither `repr` nor a traceback shows any of it.

    `password` is a third part that some venues have. `signer` signs for Binance.
    """

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)
    venue: str = ""

    @cached_property
    def signer(self) -> Signer:
        """Return the signer for the kind of the secret; raises `ConfigError` when it is of no known kind."""
        try:
            return signer_of(self.secret)
        except KeyFormError as error:
            raise ConfigError(f"the secret of the API key cannot be used: {error}") from None

    @property
    def fingerprint(self) -> str:
        """Return 8 hexadecimal digits that tell keys apart and open nothing."""
        return hashlib.sha256(self.api_key.encode()).hexdigest()[:8]


class _Stored(msgspec.Struct):
    """The content of a key file. `kind` is told by some writers and read by nobody."""

    api_key: str
    secret: str
    password: str = ""
    venue: str = ""
    kind: str = ""


def key_bytes(key: VenueKey) -> bytes:
    """Return the content of a key file."""
    kind = "other" if key.password else key.signer.kind
    return msgspec.json.encode(_Stored(key.api_key, key.secret, key.password, key.venue, kind))


def key_of(content: bytes, where: str) -> VenueKey:
    """Return the key in the content of a file; raises `ConfigError`, whose text holds nothing of it."""
    try:
        stored = msgspec.json.decode(content, type=_Stored)
    except UNDECODABLE:
        # Without its cause: the decoder's text may show what it found.
        raise ConfigError(
            f'{where} holds no key: write JSON {{"api_key": "...", "secret": "..."}}, or `quotemesh keys add`'
        ) from None
    if API_KEY.fullmatch(stored.api_key) is None or not stored.secret.strip():
        raise ConfigError(f"{where}: api_key or secret is empty or holds characters that no venue gives out")
    return VenueKey(stored.api_key, stored.secret, stored.password, stored.venue)


# ---- age


def encrypted(key: VenueKey, *, passphrase: str = "", recipient: str = "") -> bytes:
    """Return an age file with the key, for a passphrase or for a public key `age1...`."""
    content = key_bytes(key)
    if recipient:
        try:
            return bytes(pyrage.encrypt(content, [x25519.Recipient.from_str(recipient)]))
        except pyrage.RecipientError as error:
            raise ConfigError(f"{recipient[:70]!r} is no age recipient (age1...): {error}") from None
    if len(passphrase) < 8:
        raise ConfigError("the passphrase has fewer than 8 characters; take a longer one")
    return bytes(age_passphrase.encrypt(content, passphrase))


def decrypted(content: bytes, where: str, *, passphrase: str = "", identity: str = "") -> bytes:
    """Return what an age file holds; raises `ConfigError` when neither opens it."""
    if identity:
        try:
            return bytes(pyrage.decrypt(content, [x25519.Identity.from_str(_identity_line(identity))]))
        except pyrage.IdentityError:
            raise ConfigError("the identity is no age identity (AGE-SECRET-KEY-1...)") from None
        except pyrage.DecryptError as error:
            raise ConfigError(f"{where} is not for this identity, or damaged ({error})") from None
    if not passphrase:
        raise ConfigError(
            f"{where} is encrypted: set QUOTEMESH_KEY_PASSPHRASE (or QUOTEMESH_KEY_IDENTITY for an age "
            "identity) before `up`; give it from your password manager, not from the data directory"
        )
    try:
        return bytes(age_passphrase.decrypt(content, passphrase))
    except pyrage.DecryptError:
        raise ConfigError(f"{where}: the passphrase is wrong, or the file is damaged") from None


def _identity_line(text: str) -> str:
    """Return the identity in an identity file, whose other lines are comments."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line.startswith("AGE-SECRET-KEY-")), text.strip())


# ---- files


def load_key(data: KeyPlace, name: str) -> VenueKey:
    """Return the key called `name`; raises `ConfigError` that says which file to make or to mend."""
    _check_name(name)
    given = data.run / SECRETS
    content = _read(given / name)
    if content is not None:
        return key_of(content, f"QUOTEMESH_KEY_{name.upper()}")
    stored = data.root / FOLDER
    content = _read(stored / f"{name}.age")
    if content is not None:
        where = f"keys/{name}.age"
        passphrase, identity = _read(given / PASSPHRASE) or b"", _read(given / IDENTITY) or b""
        return open_key(content, where, passphrase.decode().strip("\r\n"), identity.decode())
    content = _read(stored / f"{name}.json")
    if content is not None:
        return key_of(content, f"keys/{name}.json")
    raise ConfigError(
        f"there is no key {name!r}: `quotemesh keys add` stores one, or set QUOTEMESH_KEY_{name.upper()} "
        "for `up`"
    )


def open_key(content: bytes, where: str, passphrase: str = "", identity: str = "") -> VenueKey:
    """Return the key in an age file."""
    return key_of(decrypted(content, where, passphrase=passphrase, identity=identity), where)


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{name[:40]!r} is no name of a key: a lower-case letter, then letters, digits, _ and -, "
            "at most 32"
        )


def _read(path: PlacePath) -> bytes | None:
    """Return the content of a file that only its owner can read, None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if found.st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others (mode {found.st_mode & 0o777:o}): chmod 600 {path}")
    if found.st_size > KEY_BYTES_MAX:
        raise ConfigError(f"{path} has {found.st_size} bytes; a key has at most {KEY_BYTES_MAX}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
