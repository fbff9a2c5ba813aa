"""The command line `quotemesh`. Command modules are loaded when called, so that each call is fast."""

import importlib
from typing import Any, NamedTuple

import click

from services.cli.exits import CommandError, ExitCode
from shared.errors import ConfigError, QuotemeshError


class Entry(NamedTuple):
    """Where a command is, and what the list of commands says about it."""

    target: str
    help: str


COMMANDS = {
    "up": Entry("services.cli.up:up", "Start the mesh."),
    "down": Entry("services.cli.down:down", "Stop the mesh; returns when every process is gone."),
    "restart": Entry("services.cli.down:restart", "Stop one service and start it again."),
    "status": Entry("services.cli.status:status", "Show every process and where it stands on the log."),
    "logs": Entry("services.cli.logs:logs", "Show the log lines of one service, or of all."),
    "orders": Entry("services.cli.account_commands:orders", "Show the orders that may still be filled."),
    "positions": Entry("services.cli.account_commands:positions", "Show every position and its profit."),
    "balance": Entry("services.cli.account_commands:balance", "Show the paper money of each wallet."),
    "kill": Entry("services.cli.control_commands:kill", "Stop everything; with --clear, allow it again."),
    "pause": Entry("services.cli.control_commands:pause", "Pause one strategy, or all."),
    "resume": Entry("services.cli.control_commands:resume", "Let a paused strategy, or all, quote again."),
    "risk": Entry("services.cli.risk_commands:risk", "Ask risk, as for the largest order that would pass."),
    "strategy": Entry("services.cli.strategy_commands:strategy", "List, check and reset strategies."),
    "order": Entry("services.cli.people_commands:order", "Send one order by hand, through risk."),
    "cancel": Entry("services.cli.people_commands:cancel", "Cancel a manual order or a route."),
    "route": Entry("services.cli.people_commands:route", "Buy or sell on the best of several markets."),
    "flatten": Entry("services.cli.people_commands:flatten", "Pause strategies and close what they hold."),
    "cancel-all": Entry("services.cli.control_commands:cancel_all", "Cancel every resting order."),
    "reconcile": Entry(
        "services.cli.reconcile_commands:reconcile", "Compare our books with every venue now."
    ),
    "keys": Entry("services.cli.keys_commands:keys", "Store, list, test and remove API keys."),
    "check": Entry(
        "services.cli.check_commands:check", "Test money, limits, grids and venues before a start."
    ),
    "calendar": Entry("services.cli.check_commands:calendar", "Show the next pauses of the calendar."),
    "config": Entry("services.cli.config_commands:config", "Write, explain and test the configuration."),
    "grid": Entry("services.cli.grid_commands:grid", "Show what a grid can earn and cost."),
    "sweep": Entry("services.cli.sweep_commands:sweep", "Backtest many settings; tell luck from skill."),
    "fidelity": Entry("services.cli.fidelity_commands:fidelity", "Show how far backtests can be believed."),
    "report": Entry("services.cli.report_commands:report", "Sum up orders, fills, fees and profit."),
    "compare": Entry("services.cli.compare_commands:compare", "Compare two versions of a strategy."),
    "export": Entry("services.cli.report_commands:export", "Write orders, fills, books or events by line."),
    "sessions": Entry(
        "services.cli.session_commands:sessions_command", "List what the log holds, summed up."
    ),
    "import": Entry("services.cli.import_commands:import_data", "Make market data ready for backtests."),
    "download": Entry("services.cli.download_commands:download", "Get public candles or trades of a venue."),
    "generate-data": Entry("services.cli.data_commands:generate_data", "Make up market data from a seed."),
    "export-data": Entry("services.cli.data_commands:export_data", "Write market data for other programs."),
    "replay": Entry(
        "services.cli.replay_commands:replay", "Play the log again, or prove that it says the same."
    ),
    "explain": Entry("services.cli.explain_commands:explain", "Tell why an order was sent."),
    "record": Entry("services.cli.replay_commands:record", "Switch the raw recording on or off."),
    "backtest": Entry("services.cli.backtest_commands:backtest", "Run strategies over recorded market data."),
    "backup": Entry("services.cli.backup_commands:backup", "Write all that must not be lost to one file."),
    "restore": Entry("services.cli.backup_commands:restore", "Make a data directory from a backup."),
    "bench": Entry("services.cli.bench_commands:bench", "Measure the budgets of the design here."),
    "install": Entry("services.cli.install:install", "Install what only some need: research, ccxt."),
    "venues": Entry("services.cli.venues_commands:venues", "List the venues that ccxt reaches."),
    "doctor": Entry("services.cli.doctor:doctor", "Check this machine and this data directory."),
    "hostile": Entry("services.cli.hostile_commands:hostile", "Send damaged input to every part."),
    "campaign": Entry("services.cli.campaign_commands:campaign", "Prove order truth under seeded faults."),
    "test": Entry("services.cli.run_tests:run_tests", "Run every check that this machine can."),
    "version": Entry("services.cli.version:version", "Show the version and what it runs on."),
}
"""One line registers a command: its module is imported only when it is called."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command, None when there is none of that name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours is one message with its exit code, anything else is a bug."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise CommandError(str(error), ExitCode.BAD_CONFIG) from error
        except QuotemeshError as error:
            raise CommandError(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failure, 2 usage, 3 not running, 4 bad configuration, 5 timeout, "
    "6 not found, 7 halted by risk, 8 replay mismatch.",
)
def main() -> None:
    """Market making that can replay and explain every order."""


if __name__ == "__main__":
    main(prog_name="quotemesh")
