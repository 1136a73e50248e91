"""`watchkeeper …`: the commands of `celery -A workers.app …` without loading Celery."""

import sys
from pkgutil import resolve_name
from typing import Any

import click

from workers.cli import shells
from workers.cli.commands import Group
from workers.cli.output import FAILED, fail

#: Name → where its command is, and what it is for: help needs no import.
COMMANDS = {
    "schedule": ("beat.cli.commands:schedule", "List, change, pause and run schedules."),
    "upstream": ("workers.cli.limits:upstream", "Limits of other servers: used, waiting, blocked."),
    "doctor": ("workers.doctor:doctor", "Check the installation; exit 1 on errors."),
    "prices": ("tasks.prices.commands:prices", "Stock prices: followed, missing, latest."),
    "listings": ("tasks.listings.commands:listings", "Classified ads that the scrapes found."),
    "watch": ("tasks.watches.commands:watch", "Rules over what the watches find."),
    "notify": ("tasks.watches.notify_commands:notify", "Notices to people: channels, outbox."),
    "console": ("console.commands:console", "Serve the console; say who may log in."),
    "demo": ("sandbox.commands:demo", "All of it on this machine, with imitation upstreams."),
    "completion": ("workers.cli.completion:completion", "Print the completion of a shell."),
}


class Commands(Group):
    """Imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            found: click.Command = resolve_name(COMMANDS[cmd_name][0])
        except ModuleNotFoundError as error:
            # An image of production has no sandbox.
            fail(
                f"{cmd_name} is not installed here: no module {error.name}",
                "pip install 'watchkeeper[sandbox]'",
                FAILED,
            )
        return found

    def elsewhere(self, wanted: str) -> str:
        found = []
        for name, (path, _) in COMMANDS.items():
            try:
                command = resolve_name(path)
            except ModuleNotFoundError:
                continue
            if isinstance(command, click.Group) and wanted in command.commands:
                found.append(f"watchkeeper {name} {wanted}")
        return f"Did you mean {' or '.join(found)}?" if found else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="watchkeeper", message="%(prog)s %(version)s")
def watchkeeper() -> None:
    """Watch things that change: schedules, runs, rules, notices."""


def main() -> Any:
    sys.argv[0] = "watchkeeper"
    shells.register()
    return watchkeeper(prog_name="watchkeeper")


if __name__ == "__main__":
    main()
