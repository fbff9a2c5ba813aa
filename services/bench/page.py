"""Put measured figures into a page: between two marks, the machine, a table and the raw rounds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.bench.figures import HEAD, Figure
from shared.errors import QuotemeshError

BEGIN = "<!-- results -->"
END = "<!-- /results -->"
NOTE_MAX = 200


def with_results(page: str, report: Mapping[str, Any]) -> str:
    """Return `page` with the block of results replaced by those of `report` (`bench --out`).

    A bench that was not run keeps its former section, with the machine it was measured on.
    Raises `QuotemeshError` when the marks are missing, doubled or in the wrong order.
    """
    before, begin, rest = page.partition(BEGIN)
    former, end, after = rest.partition(END)
    if not begin or not end or BEGIN in former + after or END in before + after:
        raise QuotemeshError(f"the page needs one line {BEGIN} and, after it, one line {END}: add them")
    sections = _sections(former)
    sections.update({name: _section(name, report) for name in report["figures"]})
    return f"{before}{BEGIN}\n\n{''.join(sections.values())}{END}{after}"


def _sections(block: str) -> dict[str, str]:
    """Return the sections of a block by bench, in order."""
    found: dict[str, str] = {}
    for part in block.split("\n### ")[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = f"### {name.strip()}\n{text.rstrip()}\n\n"
    return found


def _section(name: str, report: Mapping[str, Any]) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    figures = [figure_of(fields) for fields in report["figures"][name]]
    rows = "\n".join(figure.line() for figure in figures)
    notes = sorted({figure.note[:NOTE_MAX] for figure in figures if figure.note})
    raw = "\n".join(f"{figure.name}: {json.dumps(figure.rounds)}" for figure in figures if figure.rounds)
    parts = [f"### {name}", f"Measured on: {machine}.", f"{HEAD}\n{rows}"]
    parts += ["\n".join(f"- {note}" for note in notes)] if notes else []
    parts += [f"<details><summary>raw rounds</summary>\n\n```\n{raw}\n```\n\n</details>"] if raw else []
    return "\n\n".join(parts) + "\n\n"


def figure_of(fields: Mapping[str, Any]) -> Figure:
    """Return the figure behind one entry of the JSON, whose verdict is derived and left out."""
    return Figure(**{key: value for key, value in fields.items() if key != "is_met"})


def figure_fields(figure: Figure) -> dict[str, Any]:
    """Return the JSON of a figure: what is set, and whether its bounds hold."""
    fields = {name: getattr(figure, name) for name in figure.__struct_fields__}
    kept: Sequence[Any] = (None, "", [])
    return {**{key: value for key, value in fields.items() if value not in kept}, "is_met": figure.is_met}
