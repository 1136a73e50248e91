"""What bash, zsh and fish run to complete a line of `watchkeeper`.

Click's own scripts find no value after `--option=`, need the program on PATH in zsh, and cut what fish
says beside a name at its first comma.
"""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    FishComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
%(complete_var)s=bash_complete "${1/#\\~\\//$HOME/}")
    for completion in $response; do
        IFS=, read -r type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local type value words_about program=${(Q)words[1]}
    local -a response alone described
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
%(complete_var)s=zsh_complete ${~program})}")
    # What stands before the value in --option=value is kept as it is.
    compset -P '--*='
    for type value words_about in $response; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain)
                if [[ $words_about == _ ]]; then
                    alone+=("$value")
                else
                    described+=("$value:$words_about")
                fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U -i "$IPREFIX"
    (( $#alone )) && compadd -U -i "$IPREFIX" -V unsorted -a alone
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

FISH = """\
function %(complete_func)s
    set -l token (commandline -t)
    set -l program (string replace -r '^~(?=/)' $HOME (commandline -opc)[1])
    # What stands before the value in --option=value belongs to each candidate.
    set -l before (string match -r -- '^--[^=]*=' $token)
    for completion in (env %(complete_var)s=fish_complete \
COMP_WORDS=(commandline -cp | string collect) COMP_CWORD=$token $program)
        set -l found (string split --max 1 , -- $completion)
        # Fish lists no files of `~` when it stands in a variable.
        set -l path (string replace -r '^~(?=/)' $HOME -- $found[2])
        switch $found[1]
            case dir
                set found (__fish_complete_directories $path)
            case file
                set found (__fish_complete_path $path)
            case plain
                set found $found[2]
        end
        string match -q '~/*' -- $token
            and set found (string replace -- $HOME '~' $found)
        string replace -r '^' -- "$before" $found
    end
end
complete --no-files --keep-order --command %(prog_name)s --arguments '(%(complete_func)s)'
"""


class Bash(BashComplete):
    source_template = BASH

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
    source_template = ZSH


class Fish(FishComplete):
    source_template = FISH


def register() -> None:
    """From now on completion of this process uses these scripts."""
    for one in (Bash, Zsh, Fish):
        add_completion_class(one)
