#!/bin/sh
# The real-time contract, proven for the shipped models, the generated corpus and, where they are there, the public models.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
program=$CLSTM_BUILDDIR/tests/alloc/realtime
if [ ! -x "$program" ]; then
    skip "the real-time contract" "a sanitizer has its own malloc and makes system calls"
    finish
fi
set --
for data in "$CLSTM_SRCDIR"/models/*/test_data_set_0 "$CLSTM_SRCDIR"/models/*/*/test_data_set_0 "$CLSTM_SRCDIR"/tests/conformance/*/test_data_set_0; do
    [ -d "$data" ] && set -- "$@" "${data%/test_data_set_0}"
done
public=0
for data in "$CLSTM_SHARED"/vectors/real/*/test_data_set_0 "$CLSTM_SHARED"/vectors/pytorch/*/test_data_set_0; do
    case $data in */script_loop/*) continue ;; esac     # the named exception: a Loop whose outputs grow
    [ -d "$data" ] && set -- "$@" "${data%/test_data_set_0}" && public=1
done
if [ "$public" = 0 ]; then
    echo "skip the real-time contract of public models: vectors/ is not there"
    set -- --skipped 1 "$@"
fi
log=$(mktemp "${TMPDIR:-/tmp}/clstm-realtime.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
"$program" "$@" >"$log"
grep -v '^[0-9]* passed' "$log"
# what cannot be run in some way is left out without a word: the shipped models can be run in all of them
for model in charlm sunspots vad copy_memory/gru copy_memory/lstm copy_memory/rnn; do
    [ "$(grep -c "^ok .*/models/$model, " "$log")" = 5 ] && pass "$model in every way" || fail "$model in every way"
done
passed=$((passed + $(sed -n 's/^\([0-9]*\) passed, .*/\1/p' "$log")))
failed=$((failed + $(sed -n 's/^.* passed, \([0-9]*\) failed.*/\1/p' "$log")))
skipped=$((skipped + $(sed -n 's/^.*, \([0-9]*\) skipped$/\1/p' "$log")))
finish
