#!/bin/sh
# Every model at hand in pieces cut at random, random models too; what does not stream is refused by its node; public models call by call.
# CLSTM_SEQUENCES random models from seed CLSTM_SEQUENCE_SEED on.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
program=$CLSTM_BUILDDIR/tests/streams/cuts
scratch=$(mktemp -d "${TMPDIR:-/tmp}/clstm-cuts.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
log=$scratch/log
run() {
    "$program" "$@" >"$log" 2>&1
    grep -v '^[0-9]* passed' "$log"
    passed=$((passed + $(sed -n 's/^\([0-9]*\) passed, .*/\1/p' "$log")))
    failed=$((failed + $(sed -n 's/^.* passed, \([0-9]*\) failed.*/\1/p' "$log")))
    grep -q '^[0-9]* passed' "$log" || fail "$program" 'ended early'
}
# streams MODEL...: these are not merely refused
streams() {
    for model in "$@"; do
        if grep -q "^ok .*/$model, input 0 along axis" "$log"; then pass "$model streams"; else fail "$model streams"; fi
    done
}
set --
for data in "$CLSTM_SRCDIR"/models/*/test_data_set_0 "$CLSTM_SRCDIR"/models/*/*/test_data_set_0 "$CLSTM_SRCDIR"/tests/conformance/*/test_data_set_0; do
    [ -d "$data" ] && set -- "$@" "${data%/test_data_set_0}"
done
run "$@"
streams charlm sunspots copy_memory/gru copy_memory/lstm copy_memory/rnn
if [ -d "$CLSTM_SHARED/vectors/pytorch" ]; then
    set --
    for data in "$CLSTM_SHARED"/vectors/pytorch/*/test_data_set_0 "$CLSTM_SHARED"/vectors/real/*/test_data_set_0; do set -- "$@" "${data%/test_data_set_0}"; done
    run "$@"
    streams charlm lstm_uni_2layer gru_uni_2layer rnn_uni_2layer
    run --chain "$CLSTM_SHARED"/vectors/real/*
else
    skip 'public models in pieces and call by call' 'vectors/ is not there'
fi

# A failing model stays under its seed: `random_sequences DIR SEED 1` writes it again.
random() {
    mkdir "$scratch/models"
    "$CLSTM_BUILDDIR/tests/streams/random_sequences" "$scratch/models" "$1" "$2" || fail "random models from seed $1 on"
    run "$scratch"/models/* >"$scratch/said"
    grep '^not ok' "$scratch/said"
    streamed=$((streamed + $(grep -c '^ok .* along axis' "$log")))
    rm -rf "$scratch/models"
}
if [ -x "$CLSTM_BUILDDIR/tests/streams/random_sequences" ]; then
    seed=${CLSTM_SEQUENCE_SEED:-1} left=${CLSTM_SEQUENCES:-600} streamed=0
    asked=$left
    while [ "$left" -gt 0 ]; do
        random "$seed" $((left < 2000 ? left : 2000))
        seed=$((seed + 2000)) left=$((left - 2000))
    done
    if [ "$streamed" -gt $((asked / 5)) ]; then pass "$streamed of $asked random models stream"; else fail "only $streamed of $asked random models stream"; fi
else
    skip 'random models in pieces' 'Check is not there'
fi
finish
