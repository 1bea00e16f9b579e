#!/bin/sh
# What a run promises, and packed weights that give their elements back, on every instruction set that this machine has.
. "$CLSTM_SRCDIR/tests/lib.sh"

programs='unit_session unit_weights_once'
chosen=$CLSTM_BUILDDIR/tests/kernels/kernel_test
log=$CLSTM_BUILDDIR/tests/logs/levels.txt
for name in $programs; do
    program=$CLSTM_BUILDDIR/tests/unit/$name
    [ -x "$program" ] || { skip "$name" "unit tests are not built"; continue; }
    for level in generic avx2 avx512; do
        if [ "$(CLSTM_CPU=$level "$chosen" --chosen)" != $level ]; then skip "$name, CLSTM_CPU=$level" "not on this machine"
        elif CLSTM_CPU=$level "$program" > "$log" 2>&1; then pass "$name, CLSTM_CPU=$level"
        else fail "$name, CLSTM_CPU=$level" "$(tail -n 5 "$log")"; fi
    done
done
finish
