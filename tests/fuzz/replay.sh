#!/bin/sh
# Every fuzz target over its seeds and a number of mutations of each (CLSTM_FUZZ_MUTATIONS, CLSTM_FUZZ_SEED): the properties hold
# and nothing crashes. The same runs in the sanitizer builds.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
mutations=${CLSTM_FUZZ_MUTATIONS:-2000} seed=${CLSTM_FUZZ_SEED:-1}
cd "$CLSTM_SRCDIR" || exit 1
keep=$CLSTM_BUILDDIR/tests/logs

# replay NAME OPTIONS PATH...
replay() {
    name=$1
    shift
    program=$CLSTM_BUILDDIR/tests/fuzz/replay_$name
    if "$program" --mutate "$mutations" --seed "$seed" "$@" >"$keep/replay_$name.out" 2>&1; then
        pass "fuzz $name: $(tail -n 1 "$keep/replay_$name.out")"
    else
        fail "fuzz $name" "$(grep -a '^not ok' "$keep/replay_$name.out")"
        head -n 20 "$keep/replay_$name.out"
    fi
}

# if_built LIBRARY NAME PATH...: formats that another library reads
if_built() {
    library=$1
    shift
    if grep -q "define HAVE_$library 1" "$CLSTM_BUILDDIR/config.h"; then replay "$@"; else skip "fuzz $1" "built without $library"; fi
}

replay npy tests/fuzz/seeds/npy models/sunspots/input.npy
if_built LIBZIP npz tests/fuzz/seeds/npz
if_built JSON_C safetensors tests/fuzz/seeds/safetensors
replay csv tests/fuzz/seeds/csv
if_built SNDFILE wav tests/fuzz/seeds/wav
replay tensor_pb --wire tests/fuzz/seeds/tensor_pb
replay state tests/fuzz/seeds/state
# models: the small ones, so that mutations reach deep
# shellcheck disable=SC2046
set -- $(find models tests/conformance -name model.onnx | LC_ALL=C sort)
set -- "$@" tests/fuzz/seeds/model tests/data/bad
mutations=$((mutations / 50))
# everything that is there, as it is: sizes and depths of real models, on the small stack of replay.c
all=$mutations mutations=0
vectors=${CLSTM_SHARED:-../shared}/vectors
[ -d "$vectors" ] || vectors=
# shellcheck disable=SC2046,SC2086
replay run $(find models $vectors -name '*.onnx')
mutations=$all
replay load --wire "$@"
replay run --wire "$@"
replay plan --wire "$@"
mutations=$((mutations / 4))
replay convert --wire "$@"
finish
