"""docs/requirements.md tells the truth: its states agree with the marks of the tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COUNTS = {"MD": 28, "ST": 48, "RK": 29, "BR": 30, "JR": 19, "BT": 13, "GW": 17, "OB": 8, "OP": 18}
ROW = re.compile(r"^\| ([A-Z]{2}-\d+) \| (.+) \| (\w+) \|$", re.MULTILINE)


def stated() -> dict[str, str]:
    """Return the state of each requirement of the page."""
    rows = ROW.findall((ROOT / "docs" / "requirements.md").read_text())
    assert len({name for name, _, _ in rows}) == len(rows), "a requirement stands twice"
    return {name: state for name, _, state in rows}


def marked() -> dict[str, list[str]]:
    """Return the test files that carry each requirement id."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
                for argument in node.args:
                    name = ast.literal_eval(argument)
                    found.setdefault(name, []).append(str(path.relative_to(ROOT)))
    return {name: files for name, files in found.items() if name.split("-")[0] in COUNTS}


def test_the_page_lists_every_requirement_once() -> None:
    wanted = {f"{family}-{n}" for family, count in COUNTS.items() for n in range(1, count + 1)}

    assert set(stated()) == wanted


def test_states_agree_with_the_marks_of_the_tests() -> None:
    states, marks = stated(), marked()
    problems = [
        f"{name} is marked in {files} but not on the page"
        for name, files in marks.items()
        if name not in states
    ]
    for name, state in states.items():
        if state not in {"shown", "partly", "later"}:
            problems.append(f"{name}: state {state!r} is none of shown, partly, later")
        elif state == "later" and name in marks:
            problems.append(f"{name} is 'later' on the page, but shown in {marks[name]}")
        elif state != "later" and name not in marks:
            problems.append(f"{name} is {state!r} on the page, but no test is marked with it")

    if problems:
        pytest.fail("\n".join(["make docs/requirements.md and the marks agree:", *problems]), pytrace=False)
