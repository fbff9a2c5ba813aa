"""API keys of the simulated venue. Those made from the seed never change and open nothing else."""

from hashlib import sha256

import msgspec

from services.venue_sim.settings import AccountSettings, KeyType, VenueSimSettings


class AccountKey(msgspec.Struct):
    """One API key: `secret` is the HMAC secret, or the public key as PEM."""

    api_key: str
    account: str
    key_type: KeyType
    secret: str
    can_read: bool = True
    can_trade: bool = True
    can_withdraw: bool = False
    can_transfer: bool = False
    allowed_addresses: tuple[str, ...] = ()
    is_revoked: bool = False


def key_of(settings: AccountSettings, seed: int) -> AccountKey:
    """Return the key of an account; what its settings leave empty is made from seed and name."""
    digest = sha256(f"quotemesh simulator {seed} {settings.name}".encode()).hexdigest()
    return AccountKey(
        api_key=settings.api_key or f"sim-key-{settings.name}-{digest[:16]}",
        account=settings.name,
        key_type=settings.key_type,
        secret=settings.secret or sha256(f"secret {digest}".encode()).hexdigest(),
        can_withdraw=settings.can_withdraw,
        allowed_addresses=settings.allowed_addresses,
    )


def keys_of(settings: VenueSimSettings) -> list[AccountKey]:
    """Return the key of each account of the settings, in their order."""
    return [key_of(account, settings.seed) for account in settings.accounts]
