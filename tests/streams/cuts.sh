#!/bin/sh
# Every model at hand in pieces cut at random; what does not stream is refused by its node; public models call by call.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
program=$CLSTM_BUILDDIR/tests/streams/cuts
log=$(mktemp "${TMPDIR:-/tmp}/clstm-cuts.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
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
finish
