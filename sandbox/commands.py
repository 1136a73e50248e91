"""`watchkeeper demo`: the sandbox for who installed a wheel; `make run` is the same."""

import os
import sys
from pathlib import Path

import click

from workers.cli import command

data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path),
    help="folder of its data (default: .sandbox in the checkout, else the user's state folder)",
)  # fmt: skip


@command("demo")
@data_option
@click.option("--fresh", is_flag=True, help="delete the data of earlier runs first")
@click.option("--until-green", is_flag=True, help="end when each demo schedule has succeeded once")
@click.option("--port-base", type=click.IntRange(1024, 65000), metavar="N", help="use ports from N on")
def demo(data: Path | None, fresh: bool, until_green: bool, port_base: int | None) -> None:
    """Run all of it on this machine until Ctrl-C: servers, imitation upstreams, beats, workers, console."""
    from sandbox.places import data_of
    from sandbox.running import run

    # Without byte code, each of a dozen processes would compile a thousand modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(run(data_of(data), fresh=fresh, until_green=until_green, port_base=port_base))
