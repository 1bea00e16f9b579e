#!/bin/sh
# The tools while the system fails them: full disks, files that may not grow, readers that go away, signals, calls that do less than
# asked, models that change while they are loaded, two processes with one output. Every tool, every form that it writes.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/clstm-faults.XXXXXX") || exit 1
trap 'exec 9>&-; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cd "$scratch" || exit 1
sun=$CLSTM_SRCDIR/models/sunspots
cp "$sun/model.onnx" model.onnx
head -n 40 "$sun/input.csv" >in.csv
small=$CLSTM_SRCDIR/tests/conformance/rnn_float_bidirectional_v7_77
has() { grep -q "define HAVE_$1 1" "$CLSTM_BUILDDIR/config.h"; }
npz= json= sound=
has LIBZIP && npz=npz || skip 'npz' 'built without libzip'
has JSON_C && json=json || skip 'json and safetensors' 'built without json-c'
has SNDFILE && sound=wav || skip 'wav' 'built without libsndfile'

# tool NAME ARGUMENTS...
tool() { name=$1; shift; "$CLSTM_TOOLS/clstm-$name" "$@"; }

# files DO: DO FILE COMMAND... for each file that a tool writes
files() {
    for form in npy pb csv tsv txt json $npz; do "$1" "out.$form" tool run ../model.onnx -i ../in.csv -o "out.$form"; done
    "$1" out.svg tool run ../model.onnx -i ../in.csv --plot out.svg
    [ -z "$npz" ] || "$1" out.npz tool run ../model.onnx -i ../in.csv --trace out.npz
    "$1" out.csv tool run ../model.onnx -i ../in.csv --stream series=7 -o out.csv
    "$1" out.onnx tool convert ../model.onnx out.onnx
    for form in ${json:+safetensors} $npz; do "$1" "out.$form" tool convert ../model.onnx "out.$form"; done
    "$1" out.c tool convert ../model.onnx out.c --dim batch=1 --dim time=40
    "$1" out.h tool convert ../model.onnx out.c --dim batch=1 --dim time=40
    "$1" out.json tool check "$small" --json out.json
    "$1" out.xml tool check "$small" --junit out.xml
}

# streams DO: DO NAME COMMAND... for each way to standard output
streams() {
    "$1" 'run' tool run ../model.onnx -i ../in.csv
    "$1" 'run --json' tool run ../model.onnx -i ../in.csv --json
    "$1" 'run -o -' tool run ../model.onnx -i ../in.csv -o -
    "$1" 'run --stream' tool run ../model.onnx -i ../in.csv --stream series=7
    "$1" 'run --profile' tool run ../model.onnx -i ../in.csv --profile
    "$1" 'convert' tool convert ../model.onnx - --to onnx
    "$1" 'check' tool check "$small"
    for words in '' --json --lint --graph; do "$1" "info $words" tool info ../model.onnx $words; done
    "$1" 'bench' tool bench ../model.onnx -i ../in.csv --seconds 0.01
    "$1" 'bench --json' tool bench ../model.onnx -i ../in.csv --seconds 0.01 --json
    for name in run convert check info bench; do "$1" "$name --help" tool "$name" --help; done
}

fresh() { rm -rf work; mkdir work; }
left() { ls -A work | tr '\n' ' '; }
# told NAME STATUS WORDS: what err.txt and status.txt say: that exit status, and a line that begins with the tool's name and has the words
told() {
    if [ "$(cat status.txt)" != "$2" ]; then fail "$1" "exit status $(cat status.txt), not $2: $(head -c 300 err.txt)"; return 1
    elif ! grep -q "^clstm-[a-z]*: .*$3" err.txt; then fail "$1" "says: $(head -c 300 err.txt)"; return 1
    fi
}

# ---- a disk without room, a file that may not grow
full() {
    file=$1; shift
    fresh
    ln -s /dev/full "work/$file"
    (cd work && "$@") >/dev/null 2>err.txt
    echo $? >status.txt
    told "a full disk: $2, $file" 1 'No space' && pass "a full disk: $2, $file"
}
limited() {
    file=$1; shift
    fresh
    # standard error is a pipe, which the limit is not for
    (cd work && { ulimit -f 0; "$@" 2>&1 >/dev/null; echo "status $?"; }) | cat >all.txt
    sed -n 's/^status //p' all.txt >status.txt
    grep -v '^status ' all.txt >err.txt
    told "a file past the limit: $2, $file" 1 'File too large' || return
    [ -z "$(left)" ] && pass "a file past the limit: $2, $file" || fail "a file past the limit: $2, $file" "left $(left)"
}
full_stdout() {
    name=$1; shift
    fresh
    (cd work && "$@") >/dev/full 2>err.txt
    echo $? >status.txt
    told "standard output on a full disk: $name" 1 'No space' && pass "standard output on a full disk: $name"
}
if [ -w /dev/full ]; then files full; streams full_stdout; else skip 'a full disk' 'no /dev/full'; fi
files limited

# ---- a reader that went away
mkfifo pipe
closed() {
    name=$1; shift
    fresh
    exec 8<>pipe 9>pipe 8>&-
    (cd work && "$@") >&9 2>err.txt
    echo $? >status.txt
    exec 9>&-
    told "a closed pipe: $name" 1 'pipe' && pass "a closed pipe: $name"
}
streams closed
fresh
(cd work && tool run ../model.onnx -i ../in.csv) >&- 2>err.txt
echo $? >status.txt
told 'no standard output at all' 1 'standard output' && pass 'no standard output at all'

# ---- signals: dead by it, nothing under the final name, no temporary
struck=$CLSTM_BUILDDIR/tests/faults/struck
# stopped NAME WHEN TOOL ARGUMENTS...: by SIGINT and by SIGTERM
stopped() {
    name=$1 when=$2 program=$CLSTM_TOOLS/clstm-$3
    shift 3
    for number in INT TERM; do
        fresh
        how=$(cd work && "$struck" "$number" "$when" "$program" "$@" 2>../err.txt)
        if [ "$how" = 'exit 0' ]; then skip "SIG$number: $name" 'it was over too soon'
        elif [ "$how" != "signal $(case $number in INT) echo 2 ;; *) echo 15 ;; esac)" ]; then fail "SIG$number: $name" "$how: $(head -c 300 err.txt)"
        elif [ -n "$(left)" ]; then fail "SIG$number: $name" "left $(left)"
        else pass "SIG$number: $name"; fi
    done
}
stopped 'a long run' 1000 run ../model.onnx --shape series=1,30000000,1 --random -o out.npy
stopped 'a long run, two threads' 1000 run ../model.onnx --shape series=1,30000000,1 --random --threads 2 -o out.npy
mkfifo endless
yes 1 >endless 2>/dev/null &
stopped 'a stream without end' 700 run ../model.onnx -i series=- --stream series -o out.npy --trace "out.${npz:-npy}" <endless
stopped 'a long benchmark' 700 bench ../model.onnx -i ../in.csv --seconds 60
# an input that never comes: a run that waits for it, a case whose child waits
mkfifo never.csv
stopped 'waiting for an input' 500 run ../model.onnx -i ../never.csv -o out.npy
mkdir -p case/test_data_set_0 && cp model.onnx case/ && cp "$sun/test_data_set_0/output_0.pb" case/test_data_set_0/ && mkfifo case/test_data_set_0/input_0.pb
fresh
(trap '' PIPE; exec "$struck" TERM 1500 "$CLSTM_TOOLS/clstm-check" case --limit-seconds 0) >how.txt 2>err.txt &
exec 9>case/test_data_set_0/input_0.pb      # the child has it open now
wait $!
# what a child of clstm-check reads has no reader once the tool is dead
if [ "$(cat how.txt)" != 'signal 15' ]; then fail 'SIGTERM: clstm-check' "$(cat how.txt err.txt)"
else
    tries=0
    while (trap '' PIPE; echo >&9) 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
    [ $tries -lt 100 ] && pass 'SIGTERM: clstm-check takes its children along' || fail 'SIGTERM: clstm-check takes its children along' 'a child still reads'
fi
exec 9>&-

# ---- calls that do less: tests/faults/less.c in front of the C library
less=$CLSTM_BUILDDIR/tests/faults/.libs/less.so
if grep -q 'define CLSTM_SANITIZED 1' "$CLSTM_BUILDDIR/config.h"; then less= why="a sanitizer's library wants to be first"
elif [ ! -f "$less" ]; then less= why='no shared libraries'
elif ! (LD_PRELOAD=$less CLSTM_LESS=touched "$CLSTM_TOOLS/clstm-info" model.onnx 2>&1) | grep -q 'was changed'; then
    fail 'less.so is loaded' "$(LD_PRELOAD=$less CLSTM_LESS=touched "$CLSTM_TOOLS/clstm-info" model.onnx 2>&1 | head -n 1)"
    less= why='less.so is not loaded'
fi
# with WHAT COMMAND...
with() { what=$1; shift; (export LD_PRELOAD="$less" CLSTM_LESS="$what"; "$@"); }

# an archive says when it was written, a report how long it took
same() { case $1 in *.npz | *.json | *.xml) [ -s "$1" ] && [ "$(wc -c <"$1")" -gt $(($(wc -c <"$2") - 20)) ] ;; *) cmp -s "$1" "$2" ;; esac; }
small_moves() {
    file=$1; shift
    for what in short named; do
        fresh
        (cd work && "$@" >/dev/null && cp "$file" ../whole && rm -f ./* && with $what "$@" >/dev/null) 2>err.txt || { fail "$what: $2, $file" "$(head -c 300 err.txt)"; continue; }
        if ! same "work/$file" whole; then fail "$what: $2, $file" 'another file'
        elif [ -n "$(left | grep '\.clstm')" ]; then fail "$what: $2, $file" "left $(left)"
        else pass "$what: $2, $file"; fi
    done
}
short_stdout() {
    name=$1; shift
    fresh
    (cd work && with short "$@" >../said.txt 2>../err.txt) && [ -s said.txt ] && pass "short writes: $name" || fail "short writes: $name" "$(head -c 300 err.txt)"
}
short_input() {
    "$CLSTM_TOOLS/clstm-run" model.onnx -i "series=$1" -o whole.csv 2>err.txt && with short "$CLSTM_TOOLS/clstm-run" model.onnx -i "series=$1" -o pieces.csv 2>err.txt &&
        cmp -s whole.csv pieces.csv && pass "short reads of $1" || fail "short reads of $1" "$(head -c 300 err.txt)"
}
# changed NAME STATUS WORDS WHAT TOOL ARGUMENTS...: the model is a fresh copy, m.onnx
changed() {
    name=$1 want=$2 words=$3 what=$4 program=$5
    shift 5
    fresh
    cp model.onnx work/m.onnx
    (cd work && with "$what" tool "$program" "$@") >said.txt 2>err.txt
    echo $? >status.txt
    rm -f work/m.onnx
    told "$name: $program" "$want" "$words" || return
    [ "$(wc -l <err.txt)" -eq 1 ] && [ -z "$(left)" ] && pass "$name: $program" || fail "$name: $program" "left $(left), said $(cat err.txt)"
}
# each_loader DO...: every tool that loads a model
each_loader() {
    "$@" run m.onnx -i ../in.csv -o out.npy
    "$@" info m.onnx
    "$@" info m.onnx --lint
    "$@" bench m.onnx -i ../in.csv --seconds 0.01
    "$@" convert m.onnx out.onnx
    "$@" convert m.onnx out.onnx --repair
    "$@" convert m.onnx out.c --dim batch=1 --dim time=40
}
if [ -n "$less" ]; then
    files small_moves
    streams short_stdout
    for form in csv tsv txt npy pb $npz; do
        "$CLSTM_TOOLS/clstm-run" model.onnx --shape series=1,48,1 --random -o "output.$form" 2>/dev/null     # of the input's shape
        [ "$form" = npz ] || short_input "output.$form"
    done
    if [ -n "$sound" ]; then
        with short "$CLSTM_TOOLS/clstm-run" "$CLSTM_SRCDIR/models/vad/model.onnx" -i "frame=$CLSTM_SRCDIR/models/vad/input.wav" --stream frame -o speech=a.npy 2>err.txt &&
            "$CLSTM_TOOLS/clstm-run" "$CLSTM_SRCDIR/models/vad/model.onnx" -i "frame=$CLSTM_SRCDIR/models/vad/input.wav" --stream frame -o speech=b.npy 2>/dev/null &&
            cmp -s a.npy b.npy && pass 'short reads of a sound' || fail 'short reads of a sound' "$(head -c 300 err.txt)"
    fi
    # a model is mapped while it is loaded
    each_loader changed 'a model cut short while it is loaded' 3 'm.onnx: was cut short' cut
    each_loader changed 'a model written to while it is loaded' 3 'm.onnx: was changed' touched
    fresh
    cp "$CLSTM_SRCDIR/tests/faults/external.onnx" work/
    printf '0123456789abcdef' >work/external.bin        # four floats
    "$CLSTM_TOOLS/clstm-run" work/external.onnx -i x=1,2,3,4 >/dev/null 2>err.txt && pass 'external data' || fail 'external data' "$(cat err.txt)"
    with beside "$CLSTM_TOOLS/clstm-run" work/external.onnx -i x=1,2,3,4 >/dev/null 2>err.txt
    echo $? >status.txt
    told 'external data written to while it is loaded' 3 'external data "external.bin": was changed' && pass 'external data written to while it is loaded'
    fresh; cp model.onnx work/m.onnx
    "$CLSTM_TOOLS/clstm-run" model.onnx -i in.csv -o whole.csv
    with replaced "$CLSTM_TOOLS/clstm-run" work/m.onnx -i in.csv -o pieces.csv 2>err.txt && cmp -s whole.csv pieces.csv && ! cmp -s model.onnx work/m.onnx &&
        pass 'a model replaced while it is loaded: the old one is' || fail 'a model replaced while it is loaded: the old one is' "$(cat err.txt)"
    # a signal while a file has a temporary name waits for it
    fresh
    for number in INT TERM; do
        how=$(cd work && with slow "$struck" $number '.clstm-*' "$CLSTM_TOOLS/clstm-convert" "$small/model.onnx" out.onnx)
        if [ "${how%% *}" = signal ] && [ "$(left)" = 'out.onnx ' ] && "$CLSTM_TOOLS/clstm-info" work/out.onnx >/dev/null 2>&1; then pass "SIG$number while a file is written"
        else fail "SIG$number while a file is written" "$how, left $(left)"; fi
    done
else
    skip 'calls that do less than asked' "$why"
fi

# ---- two processes, one output: it is whole, and of one of them
fresh
"$CLSTM_TOOLS/clstm-run" model.onnx --random=1 -o 1.csv 2>/dev/null
"$CLSTM_TOOLS/clstm-run" model.onnx --random=2 -o 2.csv 2>/dev/null
for n in 1 2; do
    mkdir c$n
    "$CLSTM_TOOLS/clstm-convert" model.onnx c$n/out.c --dim batch=$n --dim time=10
done
wrong=
for round in 1 2 3 4 5 6 7 8; do
    for n in 1 2; do
        with "${less:+named}" "$CLSTM_TOOLS/clstm-run" model.onnx --random=$n -o work/out.csv 2>/dev/null &
        "$CLSTM_TOOLS/clstm-convert" model.onnx work/out.c --dim batch=$n --dim time=10 &
    done
    wait
    cmp -s work/out.csv 1.csv || cmp -s work/out.csv 2.csv || wrong="$wrong out.csv"
    { cmp -s work/out.c c1/out.c && cmp -s work/out.h c1/out.h; } || { cmp -s work/out.c c2/out.c && cmp -s work/out.h c2/out.h; } || wrong="$wrong out.c"
    [ "$(left)" = 'out.c out.csv out.h ' ] || wrong="$wrong left: $(left)"
    rm -f work/*
done
[ -z "$wrong" ] && pass 'two processes write one output' || fail 'two processes write one output' "$wrong"
# the second comes when the first has put one of its two files in place
if [ -n "$less" ]; then
    with parted "$CLSTM_TOOLS/clstm-convert" model.onnx work/out.c --dim batch=1 --dim time=10 &
    tries=0
    while [ ! -e work/out.c ] && [ $tries -lt 400 ]; do sleep 0.01; tries=$((tries + 1)); done
    [ -e work/out.h ] && early=yes || early=
    "$CLSTM_TOOLS/clstm-convert" model.onnx work/out.c --dim batch=2 --dim time=10
    wait $!
    if [ -n "$early" ]; then skip 'a second process between two files' 'the machine was too slow'
    elif cmp -s work/out.c c2/out.c && cmp -s work/out.h c2/out.h && [ "$(left)" = 'out.c out.h ' ]; then pass 'a second process between two files'
    else fail 'a second process between two files' "left $(left)"; fi
else skip 'a second process between two files' "$why"; fi
finish
