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
exec "$program" "$@"
