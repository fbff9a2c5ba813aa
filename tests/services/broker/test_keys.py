"""Keys are found, opened and judged; nothing of them is ever shown."""

import json
import traceback

import pyrage
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.broker.keys import VenueKey, decrypted, encrypted, key_bytes, key_of, load_key, open_key
from shared.errors import ConfigError
from shared.runtime.paths import DataDir

SECRET = "CanarySecretCanarySecretCanarySecretCanarySecret"
API_KEY = "CanaryApiKeyCanaryApiKeyCanaryApiKey"
KEY = VenueKey(API_KEY, SECRET, venue="binance")
PASSPHRASE = "correct horse battery"


def pem(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture
def data(tmp_path):
    place = DataDir(tmp_path)
    place.prepare()
    (place.run / "secrets").mkdir(mode=0o700)
    (place.root / "keys").mkdir(mode=0o700)
    return place


def put(path, content):
    path.write_bytes(content)
    path.chmod(0o600)


def test_a_key_of_the_environment_comes_before_an_encrypted_and_a_plain_file(data):
    keys = data.root / "keys"
    put(keys / "binance.json", json.dumps({"api_key": "plain", "secret": SECRET}).encode())
    assert load_key(data, "binance").api_key == "plain"

    identity = pyrage.x25519.Identity.generate()
    put(keys / "binance.age", encrypted(VenueKey("aged", SECRET), recipient=str(identity.to_public())))
    put(data.run / "secrets" / "identity", str(identity).encode())
    assert load_key(data, "binance").api_key == "aged"

    put(data.run / "secrets" / "binance", key_bytes(VenueKey("given", SECRET)))
    assert load_key(data, "binance").api_key == "given"


def test_an_age_identity_opens_what_was_encrypted_for_it(data):
    identity = pyrage.x25519.Identity.generate()
    put(data.root / "keys" / "binance.age", encrypted(KEY, recipient=str(identity.to_public())))
    put(data.run / "secrets" / "identity", f"# created today\n{identity}\n".encode())

    assert load_key(data, "binance") == KEY

    other = pyrage.x25519.Identity.generate()
    with pytest.raises(ConfigError, match="not for this identity"):
        decrypted((data.root / "keys" / "binance.age").read_bytes(), "x", identity=str(other))
    with pytest.raises(ConfigError, match="no age identity"):
        decrypted(b"", "x", identity="nonsense")
    with pytest.raises(ConfigError, match="no age recipient"):
        encrypted(KEY, recipient="age1nonsense")


def test_a_wrong_passphrase_and_a_damaged_file_are_told_apart_from_a_missing_one(data):
    content = encrypted(KEY, passphrase=PASSPHRASE)
    assert open_key(content, "k", PASSPHRASE) == KEY
    for damaged, passphrase in ((content, "wrong passphrase"), (b"", PASSPHRASE)):
        with pytest.raises(ConfigError, match="the passphrase is wrong, or the file is damaged"):
            open_key(damaged, "k", passphrase)

    put(data.root / "keys" / "binance.age", content)
    with pytest.raises(ConfigError, match="set QUOTEMESH_KEY_PASSPHRASE"):
        load_key(data, "binance")
    with pytest.raises(ConfigError, match="fewer than 8 characters"):
        encrypted(KEY, passphrase="short")


def test_a_file_that_others_can_read_is_refused(data):
    path = data.root / "keys" / "binance.json"
    put(path, key_bytes(KEY))
    path.chmod(0o640)

    with pytest.raises(ConfigError, match=r"can be read by others \(mode 640\): chmod 600"):
        load_key(data, "binance")


def test_a_key_that_is_nowhere_says_how_to_give_one(data):
    with pytest.raises(ConfigError, match=r"there is no key 'nobody'.*QUOTEMESH_KEY_NOBODY"):
        load_key(data, "nobody")
    with pytest.raises(ConfigError, match="is no name of a key"):
        load_key(data, "../../etc/passwd")


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"[]", b"\xff", b'{"api_key":"a b","secret":"x"}', b'{"api_key":7,"secret":"x"}',
     b'{"api_key":"aaaa","secret":""}', b'{"secret":"x"}', b"[" * 5000],
)  # fmt: skip
def test_what_is_no_key_is_refused_without_showing_it(content):
    with pytest.raises(ConfigError, match=r"holds no key|empty or holds") as caught:
        key_of(content, "keys/x.json")
    assert caught.value.__cause__ is None


def test_no_text_of_a_key_shows_any_of_it():
    shown = [repr(KEY), str(KEY), f"{KEY}", repr(KEY.signer), repr([KEY]), KEY.fingerprint]
    for secret in ("no PEM: -----BEGIN PRIVATE KEY-----\n" + SECRET, "short", f"{SECRET} {SECRET}"):
        try:
            _ = VenueKey(API_KEY, secret).signer
        except ConfigError as error:
            shown.append("".join(traceback.format_exception(error)))
    try:
        key_of(f'{{"api_key":"{API_KEY}","secret":["{SECRET}"]}}'.encode(), "x")
    except ConfigError as error:
        shown += ["".join(traceback.format_exception(error))]

    assert len(shown) == 10
    for text in shown:
        assert "Canary" not in text


def test_the_kind_of_a_secret_is_told_by_its_form():
    assert VenueKey("k", SECRET).signer.kind == "hmac"
    assert VenueKey("k", pem(ed25519.Ed25519PrivateKey.generate())).signer.kind == "ed25519"
    rsa_key = rsa.generate_private_key(65537, 2048)
    assert VenueKey("k", pem(rsa_key)).signer.kind == "rsa"
    assert VenueKey("k", pem(rsa_key, serialization.PrivateFormat.TraditionalOpenSSL)).signer.kind == "rsa"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("short", "5 characters"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither Ed25519 nor RSA"),
        (pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "the PEM cannot be read"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "this is a public key"),
    ],
)  # fmt: skip
def test_a_secret_of_another_form_says_what_is_due(secret, problem):
    with pytest.raises(ConfigError, match=problem):
        _ = VenueKey("k", secret).signer
