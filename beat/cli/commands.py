"""`celery -A workers.app schedule …`: the same words and errors as SQL; each verb is a statement."""

from __future__ import annotations

import click

from beat.cli import control, edit, files, inspect


@click.group()
def schedule() -> None:
    """What runs and when: list, change, pause, run."""


for _module in (inspect, edit, control, files):
    for _command in _module.COMMANDS:
        schedule.add_command(_command)
schedule.add_command(edit.pause, "disable")
schedule.add_command(edit.resume, "enable")
