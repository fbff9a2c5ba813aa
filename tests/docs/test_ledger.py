"""The worked example of docs/ledger.md runs, and its list of accounts is that of the code."""

import re
from pathlib import Path

import pytest

from shared import double_entry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text()


@pytest.mark.req("RK-20", "RK-29")
def test_the_worked_example_runs():
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)

    exec(compile(example, "docs/ledger.md", "exec"), {})


def test_the_page_lists_the_accounts_of_the_code():
    on_page = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    in_code = re.findall(r"^\| `(\w+)` +\|", double_entry.__doc__, re.MULTILINE)

    assert on_page == in_code
