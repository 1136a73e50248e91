"""What bash, zsh and fish run to complete a line of `watchkeeper`.

Click's own scripts find no value after `--option=`, need the program on PATH in zsh, and cut what fish
says beside a name at its first comma.
"""

import os
from pathlib import Path

from click.shell_completion import (
    BashComplete,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)


def _template(shell: str) -> str:
    """What click fills in: `completion.SHELL` beside this module."""
    return Path(__file__).with_name(f"completion.{shell}").read_text("utf-8")


class Bash(BashComplete):
    source_template = _template("bash")

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor; bash breaks `--option=value` into three."""
        words = split_arg_string(os.environ["COMP_WORDS"])[: int(os.environ["COMP_CWORD"]) + 1]
        is_new = len(words) <= int(os.environ["COMP_CWORD"])
        joined: list[str] = []
        for word in words:
            if joined and (word == "=" or joined[-1].endswith("=")):
                joined[-1] += word
            else:
                joined.append(word)
        return (joined[1:], "") if is_new else (joined[1:-1], joined[-1])


class Zsh(ZshComplete):
    source_template = _template("zsh")


class Fish(FishComplete):
    source_template = _template("fish")


def register() -> None:
    """From now on completion of this process uses these scripts."""
    for one in (Bash, Zsh, Fish):
        add_completion_class(one)
