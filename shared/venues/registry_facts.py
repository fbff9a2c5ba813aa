"""What ccxt tells of each venue: read from registry.json, which `./quotemesh venues --write` makes."""

from importlib.resources import files

import msgspec


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One venue. Tuples of kinds (`spot`, `linear`) tell where something is offered; fees of -1 are not told.

    `has_book` to `has_fills` are streams of WebSocket; `sends_id`, `cancels_by_id` and `asks_by_id` say which
    requests carry our order id; `sandbox` is the test network's host, empty where there is none.
    """

    has_spot: bool
    has_linear: bool
    has_book: bool
    has_trades: bool
    has_orders: bool
    has_fills: bool
    has_dead_man: bool
    has_cancel_all: bool
    has_open_list: bool
    has_closed_list: bool
    has_fill_list: bool
    sandbox: str
    precision: str
    maker_ppm: int
    taker_ppm: int
    key_parts: tuple[str, ...]
    sends_id: tuple[str, ...]
    cancels_by_id: tuple[str, ...]
    asks_by_id: tuple[str, ...]
    post_only: tuple[str, ...]
    reduce_only: tuple[str, ...]


class _File(msgspec.Struct, frozen=True):
    ccxt: str
    venues: dict[str, Facts]


_file = msgspec.json.decode(files("shared.venues").joinpath("registry.json").read_bytes(), type=_File)
CCXT_VERSION = _file.ccxt
FACTS: dict[str, Facts] = _file.venues
