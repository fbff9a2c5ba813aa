"""`quotemesh version`: what runs here."""

import json
import platform
from importlib.metadata import version as version_of

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Show the version, and the Python and machine that it runs on."""
    facts = {
        "version": version_of("quotemesh"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    click.echo(
        json.dumps(facts) if as_json else "quotemesh {version} (Python {python}, {machine})".format(**facts)
    )
