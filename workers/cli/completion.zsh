#compdef %(prog_name)s

%(complete_func)s() {
    local type value words_about program=${(Q)words[1]}
    local -a response alone described
    response=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) %(complete_var)s=zsh_complete ${~program})}")
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
