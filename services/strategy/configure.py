"""The instances of the strategy core, and how settings make, change and replace them."""

import hashlib
from typing import Any

import msgspec

from services.strategy import registry
from services.strategy.base import Note, Strategy, TargetQuotes
from services.strategy.calls import Calls
from services.strategy.instance import Instance, Options
from services.strategy.instance_state import InstanceState, dump_instance, load_instance
from services.strategy.settings import InstanceSettings, ShadowSettings
from services.strategy.shadow import ShadowVenue
from services.strategy.world import World
from shared.settings import pack


def version_of(build: str, settings: InstanceSettings, source: str) -> str:
    """Return the version id on every order: a hash of code, kind, market, params, cap and flags (ST-44)."""
    parts = (build, source, settings.kind, settings.symbol)
    text = "\0".join(parts).encode() + b"\0" + pack(dict(settings.params))
    if settings.flags_on or settings.capital_max:
        text += b"\0" + pack((str(settings.capital_max), settings.flags_on))
    return hashlib.sha256(text).hexdigest()[:12]


class Roster:
    """Instances by name, in the order of names, and by market."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._calls = calls
        self.by_name: dict[str, Instance] = {}
        self.shadows: list[Instance] = []
        self.shadow_settings = ShadowSettings()
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
        options = _options_of(settings)
        params = pack(dict(settings.params))
        new = Instance(name, settings.kind, settings.symbol, params, "", options, self._calls)
        # A user's module is imported here for the first time: that may raise, or never end.
        source = new.guarded(_source_of, settings.kind)
        version = new.version = version_of(build, settings, source or new.failure)
        old = self.by_name.get(name)
        if old is not None and old.version == version and old.is_shadow == bool(options.shadow_of):
            old.is_version_said = old.is_version_said and old.options.shadow_of == options.shadow_of
            old.options = options
            return
        self._give_venue(new)
        if old is not None and not self._succeed(old, new):
            return
        self.by_name[name] = new
        self.by_name = dict(sorted(self.by_name.items()))
        if not new.failure:
            make_strategy(new)
        if old is not None:
            is_heir = old.kind == new.kind and old.is_shadow == new.is_shadow
            new.load_strategy(dump_instance(old).strategy if is_heir else b"")
        self.index()

    def reset(self, instance: Instance) -> None:
        """Let an instance begin anew with the position it has (ST-5)."""
        if not instance.forget():
            text = f"not reset, since beginning anew would not help: {instance.failure}"
            instance.notes.append(Note("warning", "reset_refused", text))
            return
        make_strategy(instance)
        instance.begin(self._world)

    def _give_venue(self, instance: Instance) -> None:
        if instance.is_shadow:
            instance.shadow = ShadowVenue(instance, self._world, self.shadow_settings)

    def model(self, settings: ShadowSettings) -> None:
        """Take the settings of the paper venue of shadows."""
        self.shadow_settings = settings
        for instance in self.by_name.values():
            if isinstance(instance.shadow, ShadowVenue):
                instance.shadow.model(settings)

    def _succeed(self, old: Instance, new: Instance) -> bool:
        """Give `new` what `old` has; False, and `old` frozen, when that cannot be while it is in use.

        A market cannot be changed, nor a live version become a shadow, while it holds a position or orders.
        What a shadow has is not real: nothing of it goes over to a live version.
        """
        state = dump_instance(old)
        if old.symbol == new.symbol and old.is_shadow == new.is_shadow:
            if old.kind != new.kind:
                state.targets = TargetQuotes()
                state.quoted_slots = [order.slot for order in state.orders]
            state.strategy, state.failure, state.is_failure_said, state.is_started = b"", "", False, False
            state.is_version_said = state.is_lasting = False
            state.blocked_n = 0
            load_instance(new, state, self._world)
            return True
        if old.is_shadow or (old.position_lots == 0 and len(old.orders) == 0):
            new.generation = old.generation
            return True
        what = f"its symbol was changed from {old.symbol} to {new.symbol}"
        if old.symbol == new.symbol:
            what = f"it was made a shadow of {new.options.shadow_of}"
        old.fail(
            f"{what} while it holds {old.position_lots} lots and {len(old.orders)} orders; "
            "close them first, or give the new one another name",
            is_lasting=True,
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
                live = [one for one in self.of(instance.symbol) if one.is_enabled and not one.is_shadow]
                instance.ctx.shares_market = len(live) > 1 and not instance.is_shadow
        self.shadows = [one for one in self.by_name.values() if one.is_shadow]

    def dump(self) -> list[InstanceState]:
        """Return every instance, in the order of names."""
        return [dump_instance(self.by_name[name]) for name in sorted(self.by_name)]

    def load(self, states: list[InstanceState]) -> None:
        """Replace everything by the result of `dump`."""
        self.by_name = {}
        for saved in states:
            instance = Instance(
                saved.name,
                saved.kind,
                saved.symbol,
                saved.params,
                saved.version,
                saved.options,
                self._calls,
            )
            self.by_name[saved.name] = instance
            self._world.book(saved.symbol)
            self._give_venue(instance)
            make_strategy(instance)
            load_instance(instance, saved, self._world)
        self.index()


def _source_of(kind: str) -> str:
    """Return the source of a user's strategy; what is wrong with it when it has none, told again later."""
    try:
        return registry.source_of(kind)
    except (ValueError, OSError) as error:
        return str(error)


def _options_of(settings: InstanceSettings) -> Options:
    capital_max = format(settings.capital_max, "f")
    return Options(settings.on_pause, capital_max, tuple(settings.flags_on), settings.shadow_of)


def make_strategy(instance: Instance) -> None:
    """Give an instance a new strategy object; what cannot be made freezes it."""
    instance.strategy = instance.guarded(_made, instance)


def _made(instance: Instance) -> Strategy:
    params: dict[str, Any] = msgspec.msgpack.decode(instance.params)
    kind = registry.strategy_class(instance.kind)
    registry.check_flags(instance.kind, instance.options.flags)
    return kind(registry.settings_of(instance.kind, params))
