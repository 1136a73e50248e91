function %(complete_func)s
    set -l token (commandline -t)
    set -l program (string replace -r '^~(?=/)' $HOME (commandline -opc)[1])
    # What stands before the value in --option=value belongs to each candidate.
    set -l before (string match -r -- '^--[^=]*=' $token)
    for completion in (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) COMP_CWORD=$token $program)
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
