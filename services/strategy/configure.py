"""The instances of the strategy core, and how settings make, change and replace them."""

import hashlib
from typing import Any

import msgspec

from services.strategy import registry
from services.strategy.base import TargetQuotes
from services.strategy.instance import Instance, InstanceState
from services.strategy.settings import InstanceSettings
from services.strategy.world import World
from shared.settings import pack


def version_of(build: str, settings: InstanceSettings, source: str) -> str:
    """Return the version id on every order: a hash of code, kind, market and params (ST-44)."""
    parts = (build, source, settings.kind, settings.symbol)
    text = "\0".join(parts).encode() + b"\0" + pack(dict(settings.params))
    return hashlib.sha256(text).hexdigest()[:12]


class Roster:
    """Instances by name, in the order of names, and by market."""

    def __init__(self, world: World) -> None:
        self.by_name: dict[str, Instance] = {}
        self._by_symbol: dict[str, list[Instance]] = {}
        self._world = world

    def all(self) -> list[Instance]:
        """Return every instance, in the order of names."""
        return list(self.by_name.values())

    def of(self, symbol: str) -> list[Instance]:
        """Return the instances that trade `symbol`."""
        return self._by_symbol.get(symbol, [])

    def named(self, name: str) -> list[Instance]:
        """Return the instance of this name, all of them when it is empty."""
        return [one for one in self.by_name.values() if name in ("", one.name)]

    def configure(self, name: str, settings: InstanceSettings, build: str) -> None:
        """Make an instance, or give it a new version with the old state, position and orders."""
        try:
            source = registry.source_of(settings.kind)
        except (ValueError, OSError) as error:
            source = str(error)
        version = version_of(build, settings, source)
        old = self.by_name.get(name)
        if old is not None and old.version == version:
            return
        new = Instance(name, settings.kind, settings.symbol, pack(dict(settings.params)), version)
        if old is not None and not self._succeed(old, new):
            return
        self.by_name[name] = new
        self.by_name = dict(sorted(self.by_name.items()))
        make_strategy(new)
        if old is not None:
            new.load_strategy(old.dump().strategy if old.kind == new.kind else b"")
        self.index()

    def _succeed(self, old: Instance, new: Instance) -> bool:
        """Give `new` what `old` has; False, and `old` frozen, when its market changed while it is in use."""
        state = old.dump()
        if old.symbol == new.symbol:
            if old.kind != new.kind:
                state.targets = TargetQuotes()
            state.strategy, state.failure, state.is_failure_said, state.is_started = b"", "", False, False
            new.load(state, self._world)
            return True
        if old.position_lots == 0 and len(old.orders) == 0:
            new.generation = old.generation
            return True
        old.fail(
            f"its symbol was changed from {old.symbol} to {new.symbol} while it holds {old.position_lots} "
            f"lots and {len(old.orders)} orders; close them first, or give the new one another name"
        )
        return False

    def index(self) -> None:
        """Find anew who trades what."""
        self._by_symbol = {}
        for instance in self.by_name.values():
            self._world.book(instance.symbol)
            self._by_symbol.setdefault(instance.symbol, []).append(instance)
        for instance in self.by_name.values():
            if instance.ctx is not None:
                enabled = [one for one in self.of(instance.symbol) if one.is_enabled]
                instance.ctx.shares_market = len(enabled) > 1

    def dump(self) -> list[InstanceState]:
        """Return every instance, in the order of names."""
        return [self.by_name[name].dump() for name in sorted(self.by_name)]

    def load(self, states: list[InstanceState]) -> None:
        """Replace everything by the result of `dump`."""
        self.by_name = {}
        for saved in states:
            instance = Instance(saved.name, saved.kind, saved.symbol, saved.params, saved.version)
            self.by_name[saved.name] = instance
            self._world.book(saved.symbol)
            make_strategy(instance)
            instance.load(saved, self._world)
        self.index()


def make_strategy(instance: Instance) -> None:
    """Give an instance a new strategy object; what cannot be made freezes it."""
    try:
        params: dict[str, Any] = msgspec.msgpack.decode(instance.params)
        kind = registry.strategy_class(instance.kind)
        instance.strategy = kind(registry.settings_of(instance.kind, params))
    except Exception as error:  # noqa: BLE001  a user's strategy may raise anything
        instance.fail(f"{type(error).__name__}: {error}")
