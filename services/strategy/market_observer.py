"""How market data change the world of the strategies, and which instances they touch."""

from collections.abc import Iterable

from services.strategy.configure import Roster
from services.strategy.instance import Instance
from services.strategy.world import World
from shared.messages import Event, market


class MarketObserver:
    """Applies market data; each method returns the instances that have to decide."""

    def __init__(self, world: World, roster: Roster) -> None:
        self._world = world
        self._roster = roster

    def on_rules(self, event: Event) -> Iterable[Instance]:
        """Take rules: instances of the market begin."""
        rules: market.InstrumentRules = event.message
        self._world.rules[rules.symbol] = rules
        for instance in self._roster.of(rules.symbol):
            instance.begin(self._world)
        self._roster.index()
        return self._roster.of(rules.symbol)

    def on_book_snapshot(self, event: Event) -> Iterable[Instance]:
        """Take a whole book."""
        message: market.BookSnapshot = event.message
        book = self._world.book(message.symbol)
        try:
            book.snapshot(message.levels, message.bid_count, message.update_n)
        except ValueError as error:
            book.invalidate()
            return self._book_lost(message.symbol, str(error))
        return self._book_changed(message.symbol)

    def on_book_update(self, event: Event) -> Iterable[Instance]:
        """Take changed levels."""
        message: market.BookUpdate = event.message
        book = self._world.book(message.symbol)
        try:
            is_next = book.update(message.levels, message.bid_count, message.update_n)
        except ValueError as error:
            book.invalidate()
            return self._book_lost(message.symbol, str(error))
        if not is_next:
            return self._book_lost(message.symbol, "an update is missing")
        return self._book_changed(message.symbol)

    def on_book_invalid(self, event: Event) -> Iterable[Instance]:
        """Lose a book."""
        message: market.BookInvalid = event.message
        self._world.book(message.symbol).invalidate()
        return self._book_lost(message.symbol, message.reason)

    def _book_changed(self, symbol: str) -> list[Instance]:
        if not self._world.book(symbol).is_trusted:
            return self._book_lost(symbol, "one side is empty, or bid and ask cross")
        touched = self._roster.of(symbol)
        for instance in touched:
            instance.meet_book()
        return touched

    def _book_lost(self, symbol: str, reason: str) -> list[Instance]:
        touched = self._roster.of(symbol)
        for instance in touched:
            instance.lose_book(reason)
        return touched

    def on_trade(self, event: Event) -> Iterable[Instance]:
        """Take a trade."""
        touched = self._roster.of(event.message.symbol)
        for instance in touched:
            instance.meet_trade(event.message)
        return touched

    def on_candle(self, event: Event) -> Iterable[Instance]:
        """Take a candle."""
        touched = self._roster.of(event.message.symbol)
        for instance in touched:
            instance.meet_candle(event.message)
        return touched

    def on_facts(self, event: Event) -> Iterable[Instance]:
        """Take what is known of a perpetual besides."""
        message = event.message
        if isinstance(message, market.Regime):
            self._world.regimes[message.symbol] = message
        elif isinstance(message, market.FundingRate):
            self._world.fundings[message.symbol] = message
        elif isinstance(message, market.Basis):
            self._world.bases[message.symbol] = message
        touched = self._roster.of(message.symbol)
        for instance in touched:
            instance.meet_facts(message)
        return touched

    def on_capture_finished(self, event: Event) -> Iterable[Instance]:
        """Note that a capture is at its end."""
        self._world.finished.add(event.message.venue)
        return self._roster.all()
