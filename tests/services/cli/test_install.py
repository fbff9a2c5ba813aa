"""`quotemesh install research`, after the launcher has done it, and where it was not the launcher."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from click.testing import CliRunner

from services.backtest.research import research_package
from services.cli import install
from services.cli.bootstrap import DEV_LOCK, EXTRA_LOCKS, locks_beside
from services.cli.main import main
from shared.errors import ConfigError


def test_only_tests_and_the_extra_itself_install_more_than_trading_needs():
    assert locks_beside(["up"]) == []
    assert locks_beside([]) == []
    assert locks_beside(["install", "research"]) == [EXTRA_LOCKS["research"]]
    assert locks_beside(["install", "ccxt"]) == [EXTRA_LOCKS["ccxt"]]
    assert locks_beside(["install"]) == locks_beside(["install", "numpy"]) == []
    assert locks_beside(["test", "tests/docs"]) == [DEV_LOCK, *EXTRA_LOCKS.values()]


def test_an_installed_extra_is_listed_with_its_versions():
    done = CliRunner().invoke(main, ["install", "research"])

    assert done.exit_code == 0, done.output
    assert "plotly 7" in done.output


def test_a_python_without_the_extra_says_which_command_installs_it(monkeypatch):
    def no_plotly(package: str) -> str:
        if package == "plotly":
            raise PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(install, "version", no_plotly)

    done = CliRunner().invoke(main, ["install", "research"])

    assert done.exit_code == 1
    assert "missing: plotly. The launcher installs them" in done.output


def test_a_feature_without_its_package_names_package_and_command():
    with pytest.raises(ConfigError, match=r"a page needs the package no_such_package, .*install research"):
        research_package("no_such_package", "a page")


def test_a_package_that_was_left_out_is_the_one_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(ConfigError, match="a page needs the package numpy"):
        research_package("numpy", "a page")


def test_no_process_of_the_live_system_imports_a_package_of_the_extra():
    mains = ["market_data", "strategy", "risk", "broker", "gateway", "bus"]
    code = (
        "import sys, importlib\n"
        f"[importlib.import_module(f'services.{{n}}.main') for n in {mains}]\n"
        "extra = ('numpy', 'matplotlib', 'plotly', 'pyarrow', 'dask', 'optuna', 'ccxt', 'aiohttp', "
        "'cryptography')\n"
        "print([m for m in extra if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
