"""What commands are made of: output, connection, options, completion.  Loads nothing large."""

from workers.cli import completion
from workers.cli.commands import (
    Command,
    Group,
    as_json,
    command,
    did_you_mean,
    dry_run,
    yes,
)
from workers.cli.database import connect, database
from workers.cli.output import (
    DONE,
    FAILED,
    INTERRUPTED,
    NOT_FOUND,
    REFUSED,
    UNREACHABLE,
    USAGE,
    confirm,
    fail,
    is_json,
    plain,
    print_json,
    say,
    show,
    tell,
)
from workers.cli.surface import command as typed

__all__ = [
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "NOT_FOUND",
    "REFUSED",
    "UNREACHABLE",
    "USAGE",
    "Command",
    "Group",
    "as_json",
    "command",
    "completion",
    "confirm",
    "connect",
    "database",
    "did_you_mean",
    "dry_run",
    "fail",
    "is_json",
    "plain",
    "print_json",
    "say",
    "show",
    "tell",
    "typed",
    "yes",
]
