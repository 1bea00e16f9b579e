#!/bin/sh
# Outputs in the caller's memory, over the shipped models, the generated corpus and, where they are there, the public models.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
set --
for data in "$CLSTM_SRCDIR"/models/*/test_data_set_0 "$CLSTM_SRCDIR"/models/*/*/test_data_set_0 "$CLSTM_SRCDIR"/tests/conformance/*/test_data_set_0 \
    "$CLSTM_SHARED"/vectors/real/*/test_data_set_0 "$CLSTM_SHARED"/vectors/pytorch/*/test_data_set_0; do
    [ -d "$data" ] && set -- "$@" "${data%/test_data_set_0}"
done
exec "$CLSTM_BUILDDIR/tests/alloc/bound" "$@"
