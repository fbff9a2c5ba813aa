"""`quotemesh backup` and `restore`: everything that must not be lost, in one file."""

import json
import time
from pathlib import Path

import click
import msgspec

from services.cli.archive import read_archive, write_archive
from services.cli.exits import CommandError, ExitCode
from services.cli.place import data_option
from shared.errors import QuotemeshError
from shared.runtime.paths import DataDir


@click.command()
@data_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write [default: ./quotemesh-<time>.tar.gz]."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(data: DataDir, out: Path | None, as_json: bool) -> None:
    """Write the log, snapshots, latch and configuration to one file, while the mesh runs or not.

    Each row is checked on the way: a damaged log is not backed up but named. Raw recordings (market/) and
    the gateway's token are not part of it.
    """
    if not data.journal.is_dir():
        raise CommandError(
            f"there is no log in {data.root}; name its directory with --data", ExitCode.NOT_FOUND
        )
    path = (out or Path(f"quotemesh-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz")).absolute()
    if path.exists():
        raise CommandError(f"{path} exists: name another file with --out, or remove it")
    try:
        manifest = write_archive(data, path)
    except OSError as error:
        raise CommandError(f"{path} could not be written: {error}; nothing was backed up") from error
    except QuotemeshError as error:
        raise CommandError(str(error)) from error
    if as_json:
        click.echo(json.dumps({"file": str(path), **msgspec.to_builtins(manifest)}))
        return
    click.echo(
        f"{path}: seq {manifest.first_seq} to {manifest.head_seq}, {len(manifest.files)} files, "
        f"{path.stat().st_size / 2**20:.1f} MiB"
    )


@click.command()
@data_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def restore(data: DataDir, file: Path, as_json: bool) -> None:
    """Make a new data directory from the backup FILE; then start it with up.

    Refused when the directory holds any file, or when anything in FILE is not what was backed up.
    """
    try:
        manifest = read_archive(file, data)
        data.prepare()
    except FileNotFoundError as error:
        raise CommandError(f"there is no backup {file} ({error.strerror})", ExitCode.NOT_FOUND) from error
    except OSError as error:
        raise CommandError(f"{data.root} could not be written: {error}; nothing was restored") from error
    except QuotemeshError as error:
        raise CommandError(f"{error}; nothing was restored") from error
    if as_json:
        click.echo(json.dumps({"data": str(data.root), **msgspec.to_builtins(manifest)}))
        return
    click.echo(
        f"{data.root}: seq {manifest.first_seq} to {manifest.head_seq} restored; "
        f"start it with up --data {data.root}"
    )
