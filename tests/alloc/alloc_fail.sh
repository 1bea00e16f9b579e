#!/bin/sh
# Failing memory over the shipped models.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
if [ ! -x "$CLSTM_BUILDDIR/tests/alloc/alloc_fail" ]; then
    skip "failing allocations" "a sanitizer has its own malloc"
    finish
fi
set --
for model in "$CLSTM_SRCDIR"/models/*/model.onnx "$CLSTM_SRCDIR"/models/*/*/model.onnx; do
    set -- "$@" "${model%/model.onnx}"
done
exec "$CLSTM_BUILDDIR/tests/alloc/alloc_fail" "$@"
