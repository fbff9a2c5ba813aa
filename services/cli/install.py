"""`quotemesh install EXTRA`: packages that only some users need.

research: backtests' pages, pictures, sweeps and exports. ccxt: venues other than Binance. clients: the client
libraries that the tests let loose on the simulated venue.

The launcher does it before any command runs (`bootstrap.py`): pip cannot change the environment that it runs
from under a loaded program. What is left here is to say what is there.
"""

import tomllib
from importlib.metadata import PackageNotFoundError, version

import click

from services.cli.exits import CommandError
from services.cli.place import ROOT

EXTRAS = ("research", "ccxt", "clients")


@click.command()
@click.argument("extra", type=click.Choice(EXTRAS))
def install(extra: str) -> None:
    """Install the packages of EXTRA into .venv; trading on Binance needs none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found, missing = [], []
    for wish in project["optional-dependencies"][extra]:
        package = wish.partition(">=")[0]
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        raise CommandError(
            f"missing: {', '.join(missing)}. The launcher installs them: run ./quotemesh install {extra} in "
            "the repository (this Python is not that of its .venv)"
        )
    click.echo(f"{extra} is installed: {', '.join(found)}")
