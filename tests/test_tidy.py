"""Rules of the code that no linter knows: sizes, names, leftovers, and a test file for each pure part."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common|handlers?)(_|$)", re.IGNORECASE)
VAGUE_DEFINITIONS = re.compile(r"^handle_|Manager$|Helper$|Utils?$")
LEFTOVERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
INDEX_HOSTS = re.compile(
    r"(py" + r"pi|files\.python" + r"hosted|registry\.npm" + r"js|deb\.deb" + r"ian)\.(org|net)",
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(wo" + r"rk|ro" + r"ot|opt/q" + r"m)/")
TEXT_SUFFIXES = {".py", ".pxd", ".md", ".toml", ".yml", ".yaml", ".conf", ".lock", ".sh", ""}

TOOLS = tuple(
    f"services/{name}/"
    for name in ("backtest", "bench", "canceller", "cli", "fused", "gateway", "hostile", "replay", "report")
)
IMPURE_FOLDERS = ("shared/runtime/", *TOOLS)
IMPURE_NAMES = ("main.py", "__init__.py", "settings.py")


def tracked(*patterns: str) -> list[str]:
    """Return the files of the repository, as git knows them, that still exist."""
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return sorted(name for name in listed if name and (ROOT / name).is_file())


def sources() -> list[str]:
    return tracked("*.py")


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def refuse(problems: list[str], what_to_do: str) -> None:
    """Fail with every problem found, one a line."""
    if problems:
        pytest.fail("\n".join([what_to_do, *problems]), pytrace=False)


def test_files_stay_short() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in sources()}

    refuse(
        [f"{name}: {count} lines" for name, count in lengths.items() if count > FILE_LINES_MAX],
        f"split what has more than {FILE_LINES_MAX} lines:",
    )


def test_functions_stay_short() -> None:
    problems = []
    for name in sources():
        if name.startswith("shared/kernels/"):  # a compiled loop may be longer where a split would cost time
            continue
        for function in functions(name):
            count = (function.end_lineno or function.lineno) - function.lineno + 1
            if count > FUNCTION_LINES_MAX:
                problems.append(f"{name}:{function.lineno}: {function.name} has {count} lines")

    refuse(problems, f"split what has more than {FUNCTION_LINES_MAX} lines:")


def test_names_say_what_a_thing_is() -> None:
    problems = [name for name in sources() if VAGUE_NAMES.search(Path(name).stem)]
    for name in sources():
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if is_definition and VAGUE_DEFINITIONS.search(node.name):
                problems.append(f"{name}:{node.lineno}: {node.name}")

    refuse(problems, "name these after what they do or hold:")


def test_each_file_says_what_it_is_for() -> None:
    problems = [name for name in tracked("services/*.py", "shared/*.py") if not _docstring(name)]

    refuse(problems, "begin these with a docstring:")


def _docstring(name: str) -> str | None:
    return ast.get_docstring(ast.parse((ROOT / name).read_text()))


def test_nothing_is_left_for_later_and_no_foreign_host_or_path_is_named() -> None:
    problems = []
    for name in tracked():
        path = ROOT / name
        if path.suffix not in TEXT_SUFFIXES or name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for rule, pattern in (
                ("unfinished", LEFTOVERS),
                ("host of a package index", INDEX_HOSTS),
                ("path of one machine", MACHINE_PATHS),
            ):
                if pattern.search(line):
                    problems.append(f"{name}:{number}: {rule}: {line.strip()[:80]}")

    refuse(problems, "finish or remove these:")


def test_each_pure_file_has_its_test_file() -> None:
    tests = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if path.name not in {"test_tidy.py", "test_imports.py"}
    ]
    names = {str(path.relative_to(ROOT)) for path in tests}
    used = {module for path in tests for module in _imported(path)}
    problems = []
    for name in tracked("services/*.py", "shared/*.py"):
        if name.startswith(IMPURE_FOLDERS) or name.endswith(IMPURE_NAMES) or "/shell" in name:
            continue
        if not any(_does_something(function) for function in functions(name)):  # declarations only
            continue
        path = Path(name)
        module = str(path.with_suffix("")).replace("/", ".")
        if f"tests/{path.parent}/test_{path.name}" not in names and module not in used:
            problems.append(
                f"{name}: neither tests/{path.parent}/test_{path.name} nor a test that imports it"
            )

    refuse(problems, "write the missing test files:")


def _imported(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, also those named as `from package import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _does_something(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function has a body; those of a Protocol have none."""
    return any(
        not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant) for node in function.body
    )


def test_services_and_shared_are_only_ours() -> None:
    provided = packages_distributions()

    for package in ("services", "shared"):
        assert set(provided.get(package, [])) <= {"quotemesh"}, (
            f"another installed distribution provides {package!r}: {provided[package]}; remove it"
        )


EXTRAS = ("dev", "research", "ccxt", "clients")
LOCKS = ("requirements.lock", *(f"requirements-{extra}.lock" for extra in EXTRAS))


def test_locks_are_hashed_and_name_no_index() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]

        assert "://" not in text
        assert all(entry.endswith("\\") for entry in entries), f"{name}: an entry without a hash"
        assert text.count("--hash=sha256:") >= len(entries)


def test_locks_hold_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = locked("requirements.lock")

    extras = project["optional-dependencies"]
    assert set(extras) == set(EXTRAS)
    for needs, found in (
        (project["dependencies"], base),
        *((extras[extra], locked(f"requirements-{extra}.lock")) for extra in EXTRAS),
    ):
        wanted = {re.split(r"[>=<\[; ]", wish)[0] for wish in needs}
        assert wanted <= found.keys(), "run the commands of docs/decisions.md that make the locks"


def test_locks_agree_on_what_they_share() -> None:
    versions: dict[str, set[str]] = {}
    for name in LOCKS:
        for package, found in locked(name).items():
            versions.setdefault(package, found)
            assert versions[package] == found, f"{package}: {name} would change what another lock installed"


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock; several where they differ by Python version."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if "==" in line:
            package, _, rest = line.partition("==")
            found.setdefault(package, set()).add(rest.split(" ")[0])
    return found


def test_links_between_our_documents_lead_somewhere() -> None:
    problems = [
        f"{name}: {target}"
        for name in tracked("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / name).read_text())
        if "://" not in target and not (ROOT / name).parent.joinpath(target).exists()
    ]

    refuse(problems, "these links lead nowhere:")
