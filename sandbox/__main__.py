"""`python -m sandbox run | exec | psql | schema | reset`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox import folders, places
from sandbox.processes import NotStarted


def _folder(given: argparse.Namespace) -> Path:
    return places.data_of(given.data)


def _run(given: argparse.Namespace) -> int:
    from sandbox.running import run

    return run(
        _folder(given), fresh=given.fresh, until_green=given.until_green, port_base=given.port_base
    )


def _reset(given: argparse.Namespace) -> int:
    folder = _folder(given)
    if not folder.exists():
        print(f"nothing to delete: there is no {folder}")
        return 0
    with folders.claimed(folder):
        folders.delete_data(folder)
    print(f"deleted the data in {folder}")
    return 0


def _without_dashes(command: list[str]) -> list[str]:
    return command[1:] if command[:1] == ["--"] else command


def _execute(given: argparse.Namespace) -> int:
    from sandbox.executing import execute, extras

    command = _without_dashes(given.command)
    if not command:
        print("a command is missing: python -m sandbox exec -- COMMAND …", file=sys.stderr)
        return 2
    try:
        wanted = extras(given.with_)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return execute(command, wanted)


def _psql(given: argparse.Namespace) -> int:
    from sandbox.executing import psql

    return psql(_folder(given), _without_dashes(given.arguments))


def _schema(_: argparse.Namespace) -> int:
    from sandbox.schema import write

    return write()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = made.add_subparsers(required=True)
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=Path, help="folder of the data (default: .sandbox in the checkout)"
    )
    run = commands.add_parser(
        "run", parents=[data], help="run everything, with demo schedules, until Ctrl-C"
    )
    run.add_argument("--fresh", action="store_true", help="delete the data of earlier runs first")
    run.add_argument(
        "--until-green", action="store_true", help="end when each demo schedule has succeeded once"
    )
    run.add_argument("--port-base", type=int, metavar="N", help="use ports from N on")
    run.set_defaults(do=_run)
    execute = commands.add_parser("exec", help="run one command with servers and upstreams of its own")
    execute.add_argument(
        "--with", dest="with_", default="", metavar="PARTS", help="also beat=2,worker=1,console,flower"
    )
    execute.add_argument("command", nargs=argparse.REMAINDER)
    execute.set_defaults(do=_execute)
    psql = commands.add_parser("psql", parents=[data], help="psql on the running sandbox")
    psql.add_argument("arguments", nargs=argparse.REMAINDER)
    psql.set_defaults(do=_psql)
    schema = commands.add_parser("schema", help="write alembic/schema.sql")
    schema.set_defaults(do=_schema)
    reset = commands.add_parser("reset", parents=[data], help="delete the data")
    reset.set_defaults(do=_reset)
    return made


def main() -> int:
    given = parser().parse_args()
    # Without byte code, each of a dozen processes would compile a thousand modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        status: int = given.do(given)
    except NotStarted as error:
        print(f"not started: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
