#!/bin/sh
exec "$CLSTM_BUILDDIR/tests/soak/soak" "$CLSTM_SRCDIR/models/charlm/model.onnx" 20000 4 1
