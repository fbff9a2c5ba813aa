"""`quotemesh down` and `quotemesh restart SERVICE`."""

import click

from services.cli.exits import CommandError, ExitCode
from services.cli.mesh import Ready, services_of, stop_mesh, stop_services, wait_ready
from services.cli.place import data_option, existing
from services.cli.supervise import Supervisor
from shared.runtime.paths import DataDir


@click.command()
@data_option
def down(data: DataDir) -> None:
    """Stop the mesh and return when every process is gone.

    Works also when the supervisor has died. Resting paper orders stay; the next up goes on with them. At
    venues every order of ours is withdrawn first, and what remains open there is told.
    """
    if not stop_mesh(existing(data), click.echo):
        raise CommandError(f"no mesh runs on {data.root}", ExitCode.NOT_RUNNING)
    click.echo(f"stopped: no process of {data.root} is left")


@click.command()
@data_option
@click.argument("service")
def restart(data: DataDir, service: str) -> None:
    """Stop SERVICE, which takes its snapshot, start it again, and return when it has caught up."""
    known = services_of(data)
    if service not in known:
        raise CommandError(f"no service {service!r}: one of {', '.join(known)}", ExitCode.NOT_FOUND)
    supervisor = Supervisor(existing(data))
    if not supervisor.answers():
        raise CommandError(f"no mesh runs on {data.root}: start it with up", ExitCode.NOT_RUNNING)
    stop_services(data, supervisor, (service,))
    supervisor.start(service)
    wait_ready(data, supervisor, (service,), _tell)


def _tell(ready: Ready) -> None:
    click.echo(f"{ready.name} ready again (pid {ready.pid}, {ready.after_s:.1f} s)")
