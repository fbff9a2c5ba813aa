"""Every venue of the registry offline: its requests, and the example answers that ccxt's source documents."""

import functools
import inspect
import json
import re
from typing import Any

import ccxt.pro
import pytest

from services.ccxt_venue.offline import Offline, kinds_of
from shared.venues.registry import ENTRIES

PARSED = {
    "order": ("parse_order", "parse_ws_order"),
    "trade": ("parse_trade", "parse_ws_trade"),
    "position": ("parse_position",),
}
CASES = [(name, kind) for name, entry in ENTRIES.items() for kind in kinds_of(entry)]


def _made(request) -> Offline:
    name, kind = request.param
    return Offline(ENTRIES[name], kind)


def _cases(is_wanted):
    return {"params": [case for case in CASES if is_wanted(ENTRIES[case[0]], case[1])], "ids": "-".join}


@pytest.fixture(**_cases(lambda *_: True))
def offline(request) -> Offline:
    """Return each venue and kind of market."""
    return _made(request)


@pytest.fixture(**_cases(lambda entry, kind: kind in entry.orders))
def orderly(request) -> Offline:
    """Return each venue and kind of market that takes orders."""
    return _made(request)


@pytest.fixture(**_cases(lambda entry, kind: kind in entry.orders and entry.ids.ours_max < 36))
def short(request) -> Offline:
    """Return those that cannot carry our longest ids."""
    return _made(request)


@pytest.fixture(**_cases(lambda entry, _: entry.facts.precision == "steps"))
def stepped(request) -> Offline:
    """Return those whose prices have a fixed tick, here one so fine that every example fits."""
    made = _made(request)
    made.exchange.markets[made.symbol]["precision"] = {"price": 1e-18, "amount": 1e-18}
    return made


class Documented:
    """The examples, and which parser reads which."""

    parsers = PARSED

    @staticmethod
    def examples(ccxt_id: str, method: str) -> list[Any]:
        return examples(ccxt_id, method)


@pytest.fixture
def documented() -> Documented:
    return Documented()


@functools.cache
def examples(ccxt_id: str, method: str) -> list[Any]:
    """Return the JSON objects that stand in the comments of a method of a venue's class, read anew."""
    for owner in getattr(ccxt.pro, ccxt_id).__mro__:
        if method in owner.__dict__ and not owner.__module__.startswith("ccxt.base"):
            return list(_objects(inspect.getsource(owner.__dict__[method])))
    return []


def _objects(source: str):
    comments = [line.strip() for line in source.splitlines()]
    text = "\n".join(line[1:] if line.startswith("#") else "\0" for line in comments)
    for block in text.split("\0"):
        at = 0
        while at < len(block):
            end = _end_of(block, at) if block[at] in "{[" else 0
            value = _read(block[at:end]) if end else None
            if value:
                yield value
                at = end
            else:
                at += 1


def _end_of(text: str, start: int) -> int:
    depth, quote = 0, ""
    for at in range(start, len(text)):
        letter = text[at]
        if quote:
            quote = "" if letter in (quote, "\n") else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "{[":
            depth += 1
        elif letter in "}]":
            depth -= 1
            if depth == 0:
                return at + 1
    return 0


def _read(text: str) -> Any:
    """Return the value of JSON as people write it in comments, None when it is none."""
    text = re.sub(r"(?<![:\"'])//[^\n]*", "", text)
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    for word, value in (("True", "true"), ("False", "false"), ("None", "null"), ("undefined", "null")):
        text = re.sub(rf"\b{word}\b", value, text)
    quoted = text.replace("'", '"')
    for candidate in (text, quoted, re.sub(r"([{,]\s*)([A-Za-z_]\w*)\s*:", r'\1"\2":', quoted)):
        try:
            value = json.loads(candidate)
        except ValueError:
            continue
        return value if isinstance(value, dict | list) else None
    return None
