"""Our client order ids in the form that a venue takes, and back.

Some venues take only letters and digits, or only UUIDs. An id of ours (`[a-z0-9_-]`) is then written as one
number in base 38, and that number in the venue's form: nothing is remembered, so a restart reads its own ids.
"""

import re
from enum import StrEnum
from typing import NamedTuple

_OURS = "0123456789abcdefghijklmnopqrstuvwxyz-_"
_ALNUM = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[0-9a-z]+-[a-z][a-z0-9_]*-[a-z0-9_]+-[0-9a-z]+\Z")
_MARK = "q"
_UUID_BITS = 122
# Version 8 of RFC 9562 is free for any content; its six fixed bits stand around 48, 12 and 62 free ones.
_UUID_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


class IdForm(StrEnum):
    """What a venue takes as a client order id."""

    PLAIN = "plain"  # [A-Za-z0-9_-], as ours
    ALNUM = "alnum"  # letters and digits
    UUID = "uuid"
    NONE = "none"  # numbers or nothing: no order of ours could be recognised


class IdRule(NamedTuple):
    """How ids of ours reach a venue: its form, its longest text, and what it wants in front."""

    form: IdForm
    length_max: int = 36
    prefix: str = ""

    @property
    def ours_max(self) -> int:
        """Return the length of the longest id of ours that this venue can carry."""
        if self.form is IdForm.PLAIN:
            return min(36, self.length_max - len(self.prefix))
        if self.form is IdForm.ALNUM:
            return min(36, _capacity(62 ** (self.length_max - len(_MARK))))
        return _capacity(2**_UUID_BITS) if self.form is IdForm.UUID else 0


def to_venue(rule: IdRule, client_order_id: str) -> str:
    """Return the text that the venue gets; raises `ValueError` when it cannot carry this id."""
    if rule.form is IdForm.NONE:
        raise ValueError("the venue has no client order ids that we could recognise")
    if len(client_order_id) > rule.ours_max:
        raise ValueError(
            f"client order id {client_order_id!r} has {len(client_order_id)} characters, the venue carries "
            f"{rule.ours_max}: choose a shorter name for the strategy"
        )
    if rule.form is IdForm.PLAIN:
        return rule.prefix + client_order_id
    number = _to_number(client_order_id)
    if rule.form is IdForm.ALNUM:
        return _MARK + _in_alnum(number)
    return _in_uuid(number)


def from_venue(rule: IdRule, text: str) -> str:
    """Return the id that stands behind the venue's text; a foreign text is returned as it is."""
    if rule.form is IdForm.PLAIN:
        return text.removeprefix(rule.prefix) if rule.prefix else text
    if rule.form is IdForm.ALNUM and text.startswith(_MARK) and text.isalnum() and text.isascii():
        number = 0
        for digit in text[len(_MARK) :]:
            number = number * 62 + _ALNUM.index(digit)
        return _ours_or(_from_number(number), text)
    lower = text.lower()
    if rule.form is IdForm.UUID and _UUID_SHAPE.match(lower):
        bits = int(lower.replace("-", ""), 16)
        number = (bits >> 80) << 74 | (bits >> 64 & 0xFFF) << 62 | bits & (2**62 - 1)
        return _ours_or(_from_number(number), text)
    return text


def _ours_or(client_order_id: str, text: str) -> str:
    return client_order_id if _SHAPE.match(client_order_id) else text


def _capacity(limit: int) -> int:
    """Return how long texts may be so that every one of that length stays below `limit`."""
    length, largest = 0, 0
    while True:
        largest = largest * len(_OURS) + len(_OURS)
        if largest >= limit:
            return length
        length += 1


def _to_number(text: str) -> int:
    """Return the place of `text` among all texts by length and alphabet: each has one, also "0" and "00"."""
    number = 0
    for letter in text:
        at = _OURS.find(letter)
        if at < 0:
            raise ValueError(f"client order id {text!r} holds {letter!r}; a-z, 0-9, - and _ can be carried")
        number = number * len(_OURS) + at + 1
    return number


def _from_number(number: int) -> str:
    letters = []
    while number:
        number, at = divmod(number - 1, len(_OURS))
        letters.append(_OURS[at])
    return "".join(reversed(letters))


def _in_alnum(number: int) -> str:
    digits = []
    while number:
        number, at = divmod(number, 62)
        digits.append(_ALNUM[at])
    return "".join(reversed(digits))


def _in_uuid(number: int) -> str:
    bits = (number >> 74) << 80 | 8 << 76 | (number >> 62 & 0xFFF) << 64 | 2 << 62 | number & (2**62 - 1)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
