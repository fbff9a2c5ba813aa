"""What a run was: the one form that backtests, paper and live journals hand to the report (`.run` files).

A run holds what happened (fills, orders, funding) and at which mids it is marked; every figure is folded from
these by `services.backtest.figures`, so that two reports of one run agree. Who makes a run fills `Fills`,
`Orders` and `Funding` in the order of time; `services.backtest.marking` then adds the mids from the columns.

The file: `QMRUN` and version (8 bytes), length of the rest, its sha256, then MessagePack. It is written
beside and renamed, so a run that was killed or met a full disk leaves nothing under the final name.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Self

import msgspec

from services.backtest.tables import NO_ORDER, Fills, Funding, Marks, Orders, Table
from shared.errors import UNDECODABLE, JournalError
from shared.messages.market import InstrumentRules

MAGIC = b"QMRUN\x00\x00\x01"
"""The last byte is the version of the form; another one is refused."""
HEAD_BYTES = len(MAGIC) + 8 + 32
SUFFIX = ".run"


class Strategy(msgspec.Struct, frozen=True):
    """One strategy instance of the run; `version` is the hash of code and settings (ST-44)."""

    name: str
    kind: str
    version: str = ""
    settings: dict[str, Any] = {}


class DataFile(msgspec.Struct, frozen=True):
    """One source of market data, named without its folders; `is_generated` for data that nobody recorded."""

    name: str
    sha256: str
    rows: int
    first_ns: int
    last_ns: int
    is_generated: bool = False
    source: str = ""


class Opening(msgspec.Struct, frozen=True):
    """A position that a part of a longer run began with, carried over at the mid of then (half ticks)."""

    market: int
    strategy: int
    lots: int
    mid_half_ticks: int


class Counts(msgspec.Struct):
    """What was counted; `events` are exchange messages (or events of the log) walked."""

    events: int = 0
    decisions: int = 0
    orders: int = 0
    orders_refused: int = 0
    orders_rejected: int = 0
    orders_canceled: int = 0
    orders_expired: int = 0
    orders_filled: int = 0
    sent_lots: int = 0
    """Lots of all orders that went to the venue; with `filled_lots` the fill ratio."""
    filled_lots: int = 0


class Meta(msgspec.Struct):
    """Where a run comes from and how it may be repeated.

    `source` is backtest, paper or live; `path` array, exact or journal; `clock` received or exchange.
    `stopped` says why a run ended before its data did (Ctrl-C, a strategy that raised), else it is empty.
    `seconds` is the time the walk took; `from_ns` and `until_ns` are times of the data.
    """

    source: str
    path: str
    commit: str = ""
    settings_hash: str = ""
    data_hash: str = ""
    digest: str = ""
    machine: str = ""
    python: str = ""
    clock: str = "received"
    stopped: str = ""
    seconds: float = 0.0
    from_ns: int = 0
    until_ns: int = 0
    mark_step_ns: int = 0
    """Equity is marked at fills and at the high, low and last mid of each such step; 0: it was not marked."""
    capital_atoms: int | None = None
    """Money at the start in atoms of the quote asset of the first market, None when there is none set."""
    settings: dict[str, Any] = {}
    notes: list[str] = []


class Run:
    """One run: `meta`, the markets and strategies that the tables index, counts, and the tables."""

    def __init__(
        self,
        meta: Meta,
        markets: list[InstrumentRules],
        strategies: list[Strategy],
        data: list[DataFile] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.meta = meta
        self.markets = markets
        self.strategies = strategies
        self.data = data or []
        self.counts = counts or Counts()
        self.opening: list[Opening] = []
        self.fills = Fills()
        self.orders = Orders()
        self.funding = Funding()
        self.marks = Marks()

    @property
    def is_generated(self) -> bool:
        """Return whether any of its data was generated: such a run is never shown as a result (BT-11)."""
        return any(each.is_generated for each in self.data)

    def check(self) -> None:
        """Raise `ValueError` when the tables do not fit together."""
        for table in (self.fills, self.orders, self.funding, self.marks):
            table.check()
            if len(table):
                _check_index(table, "market", len(self.markets))
        for table in (self.fills, self.orders, self.funding):
            if len(table):
                _check_index(table, "strategy", len(self.strategies))
        for each in self.opening:
            if not (0 <= each.market < len(self.markets) and 0 <= each.strategy < len(self.strategies)):
                raise ValueError(f"an opening position names market {each.market}, strategy {each.strategy}")
        if len(self.fills) and max(self.fills.order) >= len(self.orders):
            raise ValueError(
                f"a fill names order {max(self.fills.order)}, the run has {len(self.orders)}; "
                f"without orders each fill names {NO_ORDER}"
            )

    def encode(self) -> bytes:
        """Return the whole file; raises `ValueError` when the tables do not fit together."""
        self.check()
        body = _encoder.encode(
            _Stored(
                meta=self.meta,
                markets=self.markets,
                strategies=self.strategies,
                data=self.data,
                counts=self.counts,
                opening=self.opening,
                fills=self.fills.to_bytes(),
                orders=self.orders.to_bytes(),
                funding=self.funding.to_bytes(),
                marks=self.marks.to_bytes(),
            )
        )
        return MAGIC + len(body).to_bytes(8, "little") + hashlib.sha256(body).digest() + body

    def save(self, path: Path) -> None:
        """Write the file whole or not at all; raises `JournalError` when the disk does not take it."""
        draft = path.with_name(path.name + ".part")
        content = self.encode()
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise JournalError(
                f"{path} could not be written ({error.strerror}; {len(content):,} bytes): make room, or name "
                "another place; nothing was left behind"
            ) from error

    @classmethod
    def decode(cls, content: bytes, name: str) -> Self:
        """Return the run of a file's bytes; raises `JournalError` naming the file when it is no whole one."""
        if content[:5] != MAGIC[:5]:
            raise JournalError(f"{name} is no run: {SUFFIX} files are written by `quotemesh backtest`")
        if content[: len(MAGIC)] != MAGIC[: len(content)]:
            raise JournalError(
                f"{name} is a run of form {content[5:8].hex()}, this version reads {MAGIC[5:].hex()}: "
                "run the backtest again, or read it with the version that wrote it"
            )
        length = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 8], "little")
        body = memoryview(content)[HEAD_BYTES:]
        if len(content) < HEAD_BYTES or len(body) != length:
            raise JournalError(f"{name} is cut: it holds {len(body):,} of {length:,} bytes; copy it again")
        if hashlib.sha256(body).digest() != content[HEAD_BYTES - 32 : HEAD_BYTES]:
            raise JournalError(f"{name} is damaged: its checksum does not match; copy it again")
        try:
            stored = _decoder.decode(body)
            run = cls(stored.meta, stored.markets, stored.strategies, stored.data, stored.counts)
            run.opening = stored.opening
            run.fills = Fills.from_bytes(stored.fills)
            run.orders = Orders.from_bytes(stored.orders)
            run.funding = Funding.from_bytes(stored.funding)
            run.marks = Marks.from_bytes(stored.marks)
            run.check()
        except UNDECODABLE as error:
            raise JournalError(f"{name} is not what this version writes: {error}; run it again") from error
        return run

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the run in a file; raises `JournalError` when there is none, or none that can be read."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise JournalError(f"{path} cannot be read: {error.strerror}") from error
        return cls.decode(content, path.name)


def _check_index(table: Table, name: str, count: int) -> None:
    largest = max(getattr(table, name))
    if largest >= count:
        raise ValueError(f"{type(table).__name__} name {name} {largest}, the run has {count}")


class _Stored(msgspec.Struct):
    meta: Meta
    markets: list[InstrumentRules]
    strategies: list[Strategy]
    data: list[DataFile]
    counts: Counts
    fills: dict[str, bytes]
    orders: dict[str, bytes]
    funding: dict[str, bytes]
    marks: dict[str, bytes]
    opening: list[Opening] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)
