# Completion of recap(1) for bash: commands, options, process ids, selectors and images.

_recap_pids() {
    local pid
    for pid in /proc/[0-9]*; do
        # Whose /proc/PID/fd can be read can be opened.
        [ -r "$pid/fd" ] && printf '%s\n' "${pid#/proc/}"
    done
}

# The selectors that process $1 uses.
_recap_selectors() {
    local selector
    for selector in /proc/"$1"/fd/*; do
        [ -L "$selector" ] && printf '%s\n' "${selector##*/}"
    done
}

_recap() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} options word place=0 pid= i
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "ls caps request install remove checkpoint restore verify \
            show pack unpack graph core session check --core --help --version" -- "$current")
        return
    fi
    case $command in
    ls | caps | request) options="--json" ;;
    remove | unpack) options= ;;
    session) options="--look --full" ;;
    core) options="--listen --clients --memory --patience" ;;
    install) options="--close-on-exec" ;;
    checkpoint) options="--output --leave-running --dry-run --external --json" ;;
    restore) options="--bind --detach --lazy --namespace --pidfile --json" ;;
    verify | show | check) options="--json" ;;
    graph | pack) options="--output" ;;
    *) return ;;
    esac
    case $previous in
    -o | --output | --pidfile)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    --bind | --external | --listen | --clients | --memory | --patience) return ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --help --usage" -- "$current")
        return
    fi
    # Which argument this is, without options and their values.
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -o | --output | --pidfile | --bind | --external | --core) i=$((i + 1)) ;;
        -*) ;;
        *)
            place=$((place + 1))
            [ "$place" -eq 1 ] && pid=$word
            ;;
        esac
    done
    case $command:$place in
    caps:0 | session:0 | request:0 | install:0 | remove:0 | checkpoint:* | verify:[1-9]*)
        mapfile -t COMPREPLY < <(compgen -W "$(_recap_pids)" -- "$current")
        ;;
    request:1 | install:1 | remove:1)
        mapfile -t COMPREPLY < <(compgen -W "$(_recap_selectors "$pid")" -- "$current")
        ;;
    install:2)
        mapfile -t COMPREPLY < <(compgen -W "path: fd: pid: unix: tcp: hangup null" -- "$current")
        compopt -o nospace
        ;;
    restore:0 | verify:0 | show:0 | pack:0 | graph:0)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        [ "$command" = graph ] &&
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(_recap_pids)" -- "$current")
        compopt -o filenames
        ;;
    unpack:*)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        ;;
    request:* | session:*)
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
        ;;
    esac
}
complete -F _recap recap
