"""docs/runbook.md: each text that the system is said to print stands in the code, and each command exists."""

import re
from pathlib import Path

import pytest

from services.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
LEAST_LETTERS = 8


def sources():
    """Return all our code as one text, in which what is written over several lines is one."""
    files = [*(ROOT / "services").rglob("*.py"), *(ROOT / "services/gateway/static").glob("*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    text = re.sub(r"\"\s*\n\s*f?\"|'\s*\n\s*f?'", "", text)
    text = text.replace('\\"', '"').replace("{EXTERNAL}", "external")
    return re.sub(r"\s+", " ", text)


CODE = sources()


def printed():
    """Return every text in a line that begins with `prints:`."""
    lines = re.findall(r"^- prints: (.*(?:\n  .*)*)", PAGE, re.MULTILINE)
    by_itself = re.findall(r"the market pauses: (`.*`)$", PAGE, re.MULTILINE)
    return [text for line in [*lines, *by_itself] for text in re.findall(r"`([^`]+)`", line)]


@pytest.mark.parametrize("text", printed())
def test_a_text_of_the_page_is_one_of_the_code(text):
    if text in {"… --venue", "check", "reconcile", "kill", "orders", "theirs", "ours", "Trading", "unknown"}:
        return
    for part in text.split("…"):
        plain = part.strip(" :;,()=")
        if len(plain) >= LEAST_LETTERS:
            assert plain in CODE, f"{plain!r} is printed nowhere"


def test_each_command_of_the_page_exists():
    named = set(re.findall(r"\./quotemesh ([a-z-]+)", PAGE))

    assert named
    assert named <= set(COMMANDS), named - set(COMMANDS)


def test_there_are_texts_to_compare():
    assert len(printed()) > 30
