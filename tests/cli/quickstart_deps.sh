#!/bin/sh
# quickstart.sh on machines that are not this one: a PATH of stand-ins records what it would do as root, as a user with sudo,
# with a sudo that wants a password, and where there is no apt.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/clstm-quick.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# machine UID COMMAND...: an empty machine with the given stand-ins besides the basic tools
machine() {
    rm -rf "${scratch:?}/bin" "$scratch/log"
    mkdir "$scratch/bin"
    : >"$scratch/log"
    for tool in sh sed dirname env cat true; do
        for folder in /bin /usr/bin; do             # not command -v: some of them are built into the shell
            [ ! -x "$folder/$tool" ] || ln -sf "$folder/$tool" "$scratch/bin/$tool"
        done
    done
    stand_in id "echo $1"
    shift
    for command_name in "$@"; do
        case $command_name in
            sudo) stand_in sudo "echo sudo \"\$@\" >>$scratch/log; [ \"\$1\" = -n ] && shift; exec \"\$@\"" ;;
            asking-sudo) stand_in sudo "[ \"\$1\" = -n ] && exit 1; echo asked >>$scratch/log; exit 1" ;;
            apt-get) stand_in apt-get "echo \"\${DEBIAN_FRONTEND:-}\" apt-get \"\$@\" >>$scratch/log
                case \"\$*\" in *install*) for c in autoconf automake libtoolize make cc xz protoc-c python3 valgrind; do
                    echo '#!/bin/sh' >$scratch/bin/\$c; /bin/chmod +x $scratch/bin/\$c; done
                    echo '#!/bin/sh' >$scratch/bin/pkg-config; /bin/chmod +x $scratch/bin/pkg-config ;; esac" ;;
            broken-apt-get) stand_in apt-get "echo apt-get \"\$@\" >>$scratch/log" ;;
        esac
    done
}

stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}

# deps: runs the script on that machine; $status and $scratch/out hold what came
deps() {
    (cd "$scratch" && PATH=$scratch/bin "$scratch/bin/sh" "$CLSTM_SRCDIR/quickstart.sh" "${1:-deps}") >"$scratch/out" 2>&1 </dev/null
    status=$?
}

# expect NAME STATUS PATTERN-IN-OUTPUT PATTERN-IN-LOG
expect() {
    if [ "$status" -ne "$2" ]; then
        fail "$1" "exit status $status: $(tail -n 2 "$scratch/out")"
    elif ! grep -q -e "$3" "$scratch/out"; then
        fail "$1" "says: $(tail -n 2 "$scratch/out")"
    elif [ -n "$4" ] && ! grep -q -e "$4" "$scratch/log"; then
        fail "$1" "did: $(cat "$scratch/log")"
    else
        pass "$1"
    fi
}

machine 0 apt-get
deps
expect "root without sudo installs" 0 'installing.*protobuf-c-compiler' '^noninteractive apt-get.*-y.*install.*libprotobuf-c-dev'
: >"$scratch/log"
deps
if [ "$status" -eq 0 ] && [ ! -s "$scratch/log" ]; then pass "nothing to do the second time"; else fail "nothing to do the second time" "$(cat "$scratch/log")"; fi

machine 1000 apt-get sudo
deps
expect "a user installs through sudo" 0 installing '^sudo -n env DEBIAN_FRONTEND=noninteractive apt-get.*install'

machine 1000 apt-get
deps
expect "a user without sudo is told the packages" 1 'please install: .*autoconf.*libprotobuf-c-dev' ''
if grep -q install "$scratch/log"; then fail "and nothing was tried"; else pass "and nothing was tried"; fi

machine 1000 apt-get asking-sudo
deps
expect "a sudo that would ask is not asked" 1 'please install: .*autoconf' ''
if grep -q asked "$scratch/log"; then fail "no question"; else pass "no question"; fi

machine 0
deps
expect "elsewhere the packages are named" 1 'no apt-get.*autoconf.*libprotobuf-c-dev' ''

machine 0 broken-apt-get
deps
expect "an installation that did not help is noticed" 1 'still missing.*protobuf-c-compiler' 'apt-get.*install'

machine 0 apt-get
deps nonsense
expect "another word is a usage error" 2 'quickstart.sh check' ''
finish
