"""Virtual time of a campaign: what is to happen when, one after another."""

import heapq
from collections.abc import Callable


class Timeline:
    """Actions by due time; those of one time in the order in which they were asked for."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def at(self, due_ns: int, action: Callable[[], None]) -> None:
        """Do `action` at `due_ns`, now at the earliest."""
        self._order += 1
        heapq.heappush(self._heap, (max(due_ns, self.now_ns), self._order, action))

    def after(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Do `action` after a while."""
        self.at(self.now_ns + delay_ns, action)

    def every(self, period_ns: int, action: Callable[[], None]) -> None:
        """Do `action` again and again, the first time after one period."""

        def again() -> None:
            action()
            self.after(period_ns, again)

        self.after(period_ns, again)

    def run(self, until_ns: int, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Do all that is due up to `until_ns`, and let the time be that in the end."""
        while self._heap and self._heap[0][0] <= until_ns:
            due_ns, _, action = heapq.heappop(self._heap)
            self.now_ns = due_ns
            action()
            if stop():
                return
        self.now_ns = max(self.now_ns, until_ns)
