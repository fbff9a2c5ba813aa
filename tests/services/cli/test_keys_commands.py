"""`quotemesh keys`: stored encrypted, listed without secrets, tested at the venue, removed."""

import json
import stat

import pyrage
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from services.broker.keys import load_key, open_key
from services.cli.keys_commands import keys
from shared.runtime.paths import DataDir

SECRET = "CanarySecretCanarySecretCanarySecretCanarySecret"
API_KEY = "CanaryApiKeyCanaryApiKeyCanaryApiKey"
PASSPHRASE = "correct horse battery"
PIPED = f"{API_KEY}\n{SECRET}\n{PASSPHRASE}\n"
# A passphrase takes a second or two to stretch; an identity takes none.
IDENTITY = pyrage.x25519.Identity.generate()
FOR_IDENTITY = ("--recipient", str(IDENTITY.to_public()))


@pytest.fixture
def data(tmp_path):
    place = DataDir(tmp_path / "data")
    place.prepare()
    return place


def call(data, *words, given=""):
    command, *rest = words
    return CliRunner().invoke(keys, [command, "--data", str(data.root), *rest], input=given)


def stored_files(data):
    return {path: path.read_bytes() for path in data.root.rglob("*") if path.is_file()}


def test_a_piped_key_is_stored_encrypted_for_its_owner_alone(data):
    result = call(data, "add", "binance", given=PIPED)

    assert result.exit_code == 0, result.output
    path = data.root / "keys" / "binance.age"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    key = open_key(path.read_bytes(), "k", PASSPHRASE)
    assert (key.api_key, key.secret, key.venue) == (API_KEY, SECRET, "binance")
    assert "Canary" not in result.output
    assert not any(b"Canary" in content for content in stored_files(data).values())


def test_list_tells_venue_kind_and_fingerprint(data):
    call(data, "add", "binance", *FOR_IDENTITY, given=PIPED)

    line = call(data, "list").output
    (listed,) = json.loads(call(data, "list", "--json").output)

    assert listed == {
        "name": "binance", "venue": "binance", "kind": "hmac", "fingerprint": listed["fingerprint"],
        "form": "encrypted",
    }  # fmt: skip
    assert len(listed["fingerprint"]) == 8
    assert listed["fingerprint"] in line
    assert "Canary" not in line


def test_a_private_key_file_and_a_passphrase_file_make_an_ed25519_key(data, tmp_path):
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "words").write_text(f"{PASSPHRASE}\nmore\n")
    options = ["--private-key", str(tmp_path / "key.pem"), "--passphrase-file", str(tmp_path / "words")]

    result = call(data, "add", "main", "--venue", "binance_usdm", *options, given=f"{API_KEY}\n")

    assert result.exit_code == 0, result.output
    assert "ed25519" in result.output
    key = open_key((data.root / "keys" / "main.age").read_bytes(), "k", PASSPHRASE)
    assert key.signer.kind == "ed25519"


def test_a_file_holds_all_of_a_key_with_a_third_part(data, tmp_path):
    content = {"api_key": API_KEY, "secret": "x-y", "password": "CanaryPassword"}
    (tmp_path / "key.json").write_text(json.dumps(content))

    result = call(data, "add", "okx", "--from-file", str(tmp_path / "key.json"), *FOR_IDENTITY)

    assert result.exit_code == 0, result.output
    key = open_key((data.root / "keys" / "okx.age").read_bytes(), "k", identity=str(IDENTITY))
    assert (key.password, key.venue) == ("CanaryPassword", "okx")


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("Bad Name", PIPED, "is no name of a key"),
        ("about", PIPED, "is no name of a key"),
        ("binance", f"{API_KEY}\nshort\n{PASSPHRASE}\n", "5 characters"),
        ("binance", f"{API_KEY}\n{SECRET}\nshort\n", "fewer than 8 characters"),
        ("binance", f"{API_KEY}\n", "nothing was given"),
        ("binance", f"two words\n{SECRET}\n{PASSPHRASE}\n", "characters that no venue gives out"),
    ],
)
def test_what_cannot_be_a_key_is_not_stored(data, name, given, problem):
    result = call(data, "add", name, given=given)

    assert result.exit_code != 0
    assert problem in result.output + str(result.exception)
    assert not list((data.root / "keys").glob("*")) if (data.root / "keys").exists() else True


def test_a_key_is_never_overwritten_and_goes_only_when_asked(data):
    call(data, "add", "binance", *FOR_IDENTITY, given=PIPED)
    before = (data.root / "keys" / "binance.age").read_bytes()

    again = call(data, "add", "binance", given=PIPED)
    assert again.exit_code != 0
    assert "keys remove binance" in again.output
    assert (data.root / "keys" / "binance.age").read_bytes() == before

    assert call(data, "remove", "binance", given="n\n").exit_code != 0
    assert (data.root / "keys" / "binance.age").exists()
    assert call(data, "remove", "binance", "--yes").exit_code == 0
    assert json.loads(call(data, "list", "--json").output) == []
    assert call(data, "remove", "binance", "--yes").exit_code == 6


def test_keys_of_the_environment_and_plain_files_are_listed_as_what_they_are(data):
    (data.run / "secrets").mkdir(mode=0o700)
    for path in (data.run / "secrets" / "given", data.root / "keys" / "plain.json"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"api_key": API_KEY, "secret": SECRET}))
        path.chmod(0o600)
    (data.run / "secrets" / "passphrase").write_text("Canary")

    listed = {one["name"]: one["form"] for one in json.loads(call(data, "list", "--json").output)}

    assert listed == {"given": "environment", "plain": "PLAIN file"}
    assert load_key(data, "plain").secret == SECRET


def test_a_simulated_venue_that_does_not_run_is_named(data):
    result = call(data, "test", "binance", "--network", "sim")
    assert result.exit_code == 3
    assert "does not run" in result.output
