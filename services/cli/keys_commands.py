"""`quotemesh keys ...`: API keys, encrypted with age, for the broker alone."""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from services.broker.binance.settings import SPOT, USDM
from services.broker.keys import (
    FOLDER,
    NAME,
    PASSPHRASE,
    SECRETS,
    VenueKey,
    encrypted,
    key_bytes,
    key_of,
    load_key,
)
from services.cli.exits import CommandError, ExitCode
from services.cli.keys_test import test_key
from services.cli.place import data_option
from shared.errors import ConfigError
from shared.runtime.paths import DataDir

ABOUT = "about.json"


class About(msgspec.Struct):
    """What may be told of a key without opening it."""

    venue: str
    kind: str
    fingerprint: str


@click.group()
def keys() -> None:
    """Store, list, test and remove API keys of venues.

    A key lies encrypted in the data directory (keys/NAME.age, the age format). The broker opens it with
    QUOTEMESH_KEY_PASSPHRASE, or an age identity in QUOTEMESH_KEY_IDENTITY, which `up` takes from its
    environment.
    """


@keys.command()
@data_option
@click.argument("name")
@click.option("--venue", default="", help="Venue of the key [default: NAME].")
@click.option(
    "--from-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='JSON {"api_key": ..., "secret": ...} instead of questions.',
)
@click.option(
    "--private-key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM of an Ed25519 or RSA private key: the secret.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the passphrase from the first line of this file.",
)
@click.option("--recipient", default="", help="Encrypt for this age public key (age1...): no passphrase.")
def add(
    data: DataDir,
    name: str,
    venue: str,
    from_file: Path | None,
    private_key: Path | None,
    passphrase_file: Path | None,
    recipient: str,
) -> None:
    """Ask for a key without showing it, encrypt it, and store it as NAME.

    Answers may be piped in, one a line: API key, secret (left out with --private-key), passphrase.
    """
    _check_name(name)
    path = data.root / FOLDER / f"{name}.age"
    if path.exists():
        raise CommandError(f"{path} exists: `quotemesh keys remove {name}` first, or take another name")
    key = _asked_key(from_file, private_key)
    key = VenueKey(key.api_key, key.secret, key.password, venue or key.venue or name)
    kind = key.signer.kind if key.venue in {SPOT, USDM} else "other"
    passphrase = "" if recipient else _passphrase(passphrase_file, is_new=True)
    _write(path, encrypted(key, passphrase=passphrase, recipient=recipient))
    kept = _about(data)
    kept[name] = About(key.venue, kind, key.fingerprint)
    _write(path.parent / ABOUT, msgspec.json.encode(kept), is_new=False)
    click.echo(f"stored {name}: {key.venue}, {kind}, fingerprint {key.fingerprint}, in {path}")
    if kind == "hmac":
        click.echo("the venue calls HMAC keys outdated: an Ed25519 key is safer and logs on once a session")


def _asked_key(from_file: Path | None, private_key: Path | None) -> VenueKey:
    if from_file is not None:
        return key_of(from_file.read_bytes(), str(from_file))
    api_key = _ask("API key")
    secret = (
        private_key.read_text(encoding="utf-8")
        if private_key is not None
        else _ask("Secret (HMAC; for Ed25519 or RSA use --private-key FILE)")
    )
    found = VenueKey(api_key, secret)
    return key_of(key_bytes(found), "what was entered")


def _ask(what: str) -> str:
    """Return an answer that is not shown; from a pipe, the next line."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True)).strip()
    line = sys.stdin.readline()
    if not line:
        raise CommandError(f"{what}: nothing was given", ExitCode.USAGE)
    return line.strip()


def _passphrase(file: Path | None, *, is_new: bool) -> str:
    if file is not None:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
    passphrase = _ask("Passphrase")
    if is_new and sys.stdin.isatty() and _ask("The same again") != passphrase:
        raise CommandError("the two passphrases differ; nothing was stored", ExitCode.USAGE)
    return passphrase


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None or f"{name}.json" == ABOUT:
        raise CommandError(
            f"{name[:40]!r} is no name of a key: a lower-case letter, then letters, digits, _ and -, "
            "at most 32, and not `about`",
            ExitCode.USAGE,
        )


def _write(path: Path, content: bytes, *, is_new: bool = True) -> None:
    """Write a file that only its owner can read: whole, or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        os.link(half, path)
        half.unlink()
    else:
        half.replace(path)


def _about(data: DataDir) -> dict[str, About]:
    try:
        return msgspec.json.decode((data.root / FOLDER / ABOUT).read_bytes(), type=dict[str, About])
    except (OSError, msgspec.MsgspecError, ValueError):
        return {}


class Stored(NamedTuple):
    """A key in the data directory, as it can be told without opening it."""

    name: str
    venue: str
    kind: str
    fingerprint: str
    form: str


def _stored(data: DataDir) -> list[Stored]:
    """Return every key, and for a running mesh those of its environment."""
    about = _about(data)
    found = []
    for path in sorted((data.root / FOLDER).glob("*.age")):
        one = about.get(path.stem, About("?", "?", "?"))
        found.append(Stored(path.stem, one.venue, one.kind, one.fingerprint, "encrypted"))
    plain = [p for p in sorted((data.root / FOLDER).glob("*.json")) if p.name != ABOUT]
    given = data.run / SECRETS
    mounted = sorted(given.iterdir()) if given.is_dir() else []
    for path, form in [*((p, "PLAIN file") for p in plain), *((p, "environment") for p in mounted)]:
        if path.name in {PASSPHRASE, "identity"}:
            continue
        try:
            key = load_key(data, path.stem)
            kind = key.signer.kind if key.venue in {SPOT, USDM, ""} else "other"
        except ConfigError as error:
            found.append(Stored(path.stem, "?", "?", "?", f"{form}: {error}"))
            continue
        found.append(Stored(path.stem, key.venue or "?", kind, key.fingerprint, form))
    return found


@keys.command(name="list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(data: DataDir, as_json: bool) -> None:
    """Show name, venue, kind and fingerprint of every key; nothing secret."""
    found = _stored(data)
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found]))
        return
    if not found:
        click.echo("no keys; `quotemesh keys add NAME` stores one")
    for one in found:
        click.echo(f"{one.name:<16} {one.venue:<14} {one.kind:<8} {one.fingerprint:<9} {one.form}")


@keys.command()
@data_option
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(data: DataDir, name: str, yes: bool) -> None:
    """Delete the stored key NAME; the venue does not hear of it: delete it there too."""
    _check_name(name)
    paths = [data.root / FOLDER / f"{name}{end}" for end in (".age", ".json")]
    paths = [path for path in paths if path.exists()]
    if not paths:
        raise CommandError(f"there is no key {name!r} in {data.root / FOLDER}", ExitCode.NOT_FOUND)
    if not yes:
        click.confirm(f"Delete {', '.join(path.name for path in paths)}?", abort=True)
    for path in paths:
        path.unlink()
    kept = _about(data)
    if kept.pop(name, None) is not None:
        _write(data.root / FOLDER / ABOUT, msgspec.json.encode(kept), is_new=False)
    click.echo(f"removed {name}; delete the key at the venue too if nobody else uses it")


keys.add_command(test_key)
