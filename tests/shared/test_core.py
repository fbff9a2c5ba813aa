"""Deadlines come in order of time, and are state like any other."""

from hypothesis import given
from hypothesis import strategies as st

from shared.core import Deadlines

WISHES = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 50)), max_size=30)


def popped(deadlines: Deadlines, now_ns: int) -> list[str]:
    keys = []
    while (key := deadlines.pop_due(now_ns)) is not None:
        keys.append(key)
    return keys


@given(WISHES, st.integers(0, 50))
def test_each_key_is_due_once_at_its_last_wish_in_order(wishes: list[tuple[str, int]], now_ns: int) -> None:
    deadlines = Deadlines()
    for key, due_ns in wishes:
        deadlines.set(key, due_ns)

    keys = popped(deadlines, now_ns)

    last = dict(wishes)
    assert sorted(keys) == sorted(key for key, due_ns in last.items() if due_ns <= now_ns)
    assert [last[key] for key in keys] == sorted(last[key] for key in keys)


@given(WISHES)
def test_a_restored_one_pops_the_same(wishes: list[tuple[str, int]]) -> None:
    deadlines, restored = Deadlines(), Deadlines()
    for key, due_ns in wishes:
        deadlines.set(key, due_ns)

    restored.load(deadlines.dump())

    assert restored.dump() == deadlines.dump()
    assert popped(restored, 100) == popped(deadlines, 100)


def test_a_dropped_one_is_not_due() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 1)
    deadlines.set("b", 1)

    deadlines.drop("a")
    deadlines.drop("never set")

    assert popped(deadlines, 9) == ["b"]
