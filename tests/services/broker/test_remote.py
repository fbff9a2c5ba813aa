"""The adapter of a ccxt venue: one answer to each command, whatever becomes of its child."""

import msgspec
import pytest

from services.broker.adapters import adapter_of
from services.broker.keys import VenueKey
from services.broker.remote import ANSWER_MS, CHILD, CHILD_URL, RemoteAccess, RemoteAdapter
from services.broker.settings import VenueAccess
from shared.execution.commands import AskAccount, Place
from shared.execution.outside import CloseSocket, OpenSocket, SendText
from shared.execution.reports import (
    AccountTold,
    Done,
    Doubtful,
    Reachable,
    Refused,
    Unreachable,
    UserStreamDown,
    UserStreamUp,
)
from shared.units import NS_PER_MS, Side
from shared.venues.remote_words import (
    Broken,
    Carry,
    Ready,
    Setup,
    ToChild,
    Told,
    decode_to_child,
    encode,
)

ACCESS = RemoteAccess(
    venue="okx", network="live", symbols=("BTC/USDT",), key={"apiKey": "k", "secret": "sesame"}
)
PLACE = Place(1, "t1-m-b0-1", "okx:BTC/USDT", Side.BUY, 10, 2)


def opened() -> RemoteAdapter:
    adapter = RemoteAdapter(ACCESS)
    adapter.start(0)
    adapter.on_opened(CHILD, 0)
    return adapter


def tell(adapter: RemoteAdapter, word: object) -> list:
    return list(adapter.on_text(CHILD, encode(word), 0))


def words(said) -> list[ToChild]:
    return [decode_to_child(one.text) for one in said if isinstance(one, SendText)]


@pytest.mark.req("MD-26")
def test_the_first_word_to_a_child_holds_the_key_and_nothing_else_does() -> None:
    adapter = RemoteAdapter(ACCESS)

    assert adapter.start(0) == [OpenSocket(CHILD, CHILD_URL)]
    (setup,) = words(adapter.on_opened(CHILD, 0))

    assert isinstance(setup, Setup)
    assert setup.key == {"apiKey": "k", "secret": "sesame"}
    assert "sesame" not in repr(ACCESS)
    assert "sesame" not in repr(adapter)


def test_a_command_is_handed_on_and_its_answer_comes_back_once() -> None:
    adapter = opened()
    answer = Told(Done(1))

    assert words(adapter.carry_out([PLACE], 0)) == [Carry(PLACE)]
    assert tell(adapter, answer) == [Done(1)]
    assert tell(adapter, answer) == []


@pytest.mark.req("I-05")
def test_commands_on_their_way_are_doubtful_when_the_child_dies_and_later_ones_are_unsent() -> None:
    adapter = opened()
    adapter.carry_out([PLACE, AskAccount(2)], 0)

    said = adapter.on_closed(CHILD, "killed", 0)

    assert [one for one in said if isinstance(one, Doubtful)] == [
        Doubtful(1, "killed"),
        Doubtful(2, "killed"),
    ]
    assert said[-1] == OpenSocket(CHILD, CHILD_URL, 500)
    (refused,) = adapter.carry_out([msgspec.structs.replace(PLACE, request_id=3)], 0)
    assert isinstance(refused, Refused)
    assert not refused.is_sent


@pytest.mark.req("I-05")
def test_silence_is_doubt_and_an_answer_after_it_is_not_told_twice() -> None:
    adapter = opened()
    adapter.carry_out([PLACE], 0)

    assert adapter.on_time(ANSWER_MS * NS_PER_MS - 1) == []
    assert [type(one) for one in adapter.on_time(ANSWER_MS * NS_PER_MS)] == [Doubtful]
    assert tell(adapter, Told(Done(1))) == []


def test_a_number_that_is_on_its_way_is_not_sent_again() -> None:
    adapter = opened()
    adapter.carry_out([PLACE], 0)

    (refused,) = adapter.carry_out([PLACE], 0)

    assert refused.code == "repeated"


def test_a_lost_child_takes_stream_and_venue_with_it_once() -> None:
    adapter = opened()
    for report in (Reachable(), UserStreamUp()):
        assert tell(adapter, Told(report)) == [report]

    first = adapter.on_closed(CHILD, "killed", 0)
    second = adapter.on_closed(CHILD, "killed", 0)

    assert [type(one) for one in first] == [UserStreamDown, Unreachable, OpenSocket]
    assert [type(one) for one in second] == [OpenSocket]
    assert second[0].after_ms == 1000


def test_pauses_grow_and_a_child_that_speaks_makes_them_short_again() -> None:
    adapter = opened()
    for _ in range(20):
        said = adapter.on_closed(CHILD, "killed", 0)
    assert said[-1].after_ms == 30_000

    tell(adapter, Ready("4.5"))

    assert adapter.on_closed(CHILD, "killed", 0)[-1].after_ms == 500


def test_a_child_that_can_never_work_is_not_started_again() -> None:
    adapter = opened()

    (broken,) = tell(adapter, Broken("ccxt is not installed; run ./quotemesh install ccxt", True))

    assert broken.is_final
    assert "install ccxt" in broken.reason
    assert adapter.on_closed(CHILD, "ended", 0) == []


def test_a_key_that_is_refused_is_final() -> None:
    adapter = opened()
    tell(adapter, Told(Unreachable("the venue refuses the key", is_final=True)))

    assert not [one for one in adapter.on_closed(CHILD, "ended", 0) if isinstance(one, OpenSocket)]


@pytest.mark.parametrize("text", [b"", b"\xc1", b"\x93\xa4told", encode(["told", 7]), encode("x")])
def test_a_word_that_cannot_be_read_ends_the_child_and_doubts_what_was_asked(text) -> None:
    adapter = opened()
    adapter.carry_out([PLACE], 0)

    said = adapter.on_text(CHILD, text, 0)

    assert said[0] == CloseSocket(CHILD)
    assert [type(one) for one in said[1:]] == [Doubtful, OpenSocket]


def test_after_a_stop_nothing_is_asked_or_answered() -> None:
    adapter = opened()
    adapter.carry_out([PLACE], 0)

    assert adapter.stop(0) == [CloseSocket(CHILD)]
    assert adapter.on_closed(CHILD, "closed", 0) == []
    assert adapter.on_time(10**18) == []


def test_an_account_of_the_registry_gets_this_adapter_with_the_parts_of_its_key() -> None:
    access = VenueAccess(name="okx", symbols=("BTC/USDT",), network="live")

    adapter = adapter_of(access, VenueKey("k", "s", "p"), has_user_stream=False)
    (setup,) = words(adapter.on_opened(CHILD, 0))

    assert setup.key == {"apiKey": "k", "secret": "s", "password": "p"}
    assert not setup.has_user_stream
    assert tell(adapter, Told(AccountTold(9, [], []))) == []


def test_http_is_never_asked_for() -> None:
    with pytest.raises(AssertionError, match="never asked"):
        opened().on_http(1, 200, [], b"", 0)
