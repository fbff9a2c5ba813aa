"""Make shared/venues/registry.json and docs/venues.md out of what ccxt tells (`venues --write`)."""

import json
import subprocess
import sys
from typing import Any

from services.cli.exits import CommandError
from services.cli.place import ROOT
from shared.venues.ids import IdForm
from shared.venues.registry import ENTRIES, LINEAR, SPOT, Entry
from shared.venues.registry_facts import CCXT_VERSION

DATA = ROOT / "shared" / "venues" / "registry.json"
PAGE = ROOT / "docs" / "venues.md"
BEGIN, END = "<!-- matrix: written by `./quotemesh venues --write` -->", "<!-- end of the matrix -->"
COLUMNS = (
    "venue",
    "markets",
    "orders to",
    "WebSocket",
    "post-only",
    "reduce-only",
    "asked by our id",
    "dead-man's switch",
    "test network",
    "order ids",
    "limits",
)


def described() -> dict[str, Any]:
    """Return what ccxt says, asked in a process of its own: nothing here imports ccxt."""
    command = [sys.executable, "-m", "services.ccxt_venue.describe"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        reason = done.stderr.strip()[-200:]
        raise CommandError(f"ccxt cannot be asked ({reason}); run ./quotemesh install ccxt")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def data_text(told: dict[str, Any]) -> str:
    """Return the text of the data file: one venue a line."""
    lines = [f"    {json.dumps(name)}: {json.dumps(facts)}" for name, facts in told["venues"].items()]
    venues = ",\n".join(lines)
    return f'{{\n  "ccxt": {json.dumps(told["ccxt"])},\n  "venues": {{\n{venues}\n  }}\n}}\n'


def row_of(entry: Entry) -> tuple[str, ...]:
    """Return one line of the matrix: short words, `-` for what there is not."""
    facts = entry.facts
    kinds = [kind for kind, has in ((SPOT, facts.has_spot), (LINEAR, facts.has_linear)) if has]
    streams = (
        ("b", facts.has_book),
        ("t", facts.has_trades),
        ("o", facts.has_orders),
        ("f", facts.has_fills),
    )
    form = entry.ids.form.value
    return (
        entry.name,
        "+".join(kinds),
        "+".join(entry.orders) or "-",
        "".join(letter for letter, has in streams if has),
        _kinds(facts.post_only),
        _kinds(facts.reduce_only),
        _kinds(facts.asks_by_id),
        "yes" if facts.has_dead_man else "-",
        "yes" if facts.sandbox else "-",
        form if entry.ids.form is IdForm.NONE else f"{form} {entry.ids.ours_max}",
        entry.limits,
    )


def _kinds(kinds: tuple[str, ...]) -> str:
    return "+".join(kinds) or "-"


def page_text(page: str) -> str:
    """Return docs/venues.md with the matrix as the registry has it now."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(row_of(entry))} |" for entry in ENTRIES.values()]
    body = "\n".join(lines)
    return f"{head}{BEGIN}\nccxt {CCXT_VERSION}\n\n{body}\n{END}{tail}"


def write() -> bool:
    """Write both files; return whether the registry is new, which this process has read before."""
    text = data_text(described())
    is_new = text != DATA.read_text(encoding="utf-8")
    DATA.write_text(text, encoding="utf-8")
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return is_new
