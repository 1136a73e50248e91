"""`celery -A workers.app schedule …`: each command is one SQL statement, with its errors."""

import click

from beat.cli import control, edit, files, inspect, moving
from workers.cli import Group


@click.group(cls=Group)
def schedule() -> None:
    """List, change, pause and run schedules."""


for _module in (inspect, edit, control, files, moving):
    for _command in _module.COMMANDS:
        schedule.add_command(_command)
schedule.add_command(edit.pause, "disable")
schedule.add_command(edit.resume, "enable")
schedule.add_command(edit.remove, "delete")
