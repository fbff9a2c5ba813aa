"""docs/extend.md points at what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
NAMED_FILES = sorted(
    {name for name in re.findall(r"`((?:services|shared|tests)/[\w/]+\.py)`", PAGE) if "NAME" not in name}
)
REGISTERED = re.findall(r"`([A-Z]+|AnyMessage)` in `((?:services|shared)/[\w/]+\.py)`", PAGE)


@pytest.mark.parametrize("name", NAMED_FILES)
def test_a_file_that_the_page_names_exists(name):
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(("registry", "file"), REGISTERED)
def test_a_registry_stands_in_the_file_that_the_page_names(registry, file):
    assert re.search(rf"^{registry}\b.*=", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
