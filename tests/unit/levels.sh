#!/bin/sh
# What a run promises, on every instruction set that this machine has.
. "$CLSTM_SRCDIR/tests/lib.sh"

program=$CLSTM_BUILDDIR/tests/unit/unit_session
chosen=$CLSTM_BUILDDIR/tests/kernels/kernel_test
[ -x "$program" ] || { skip "levels" "unit tests are not built"; finish; }
log=$CLSTM_BUILDDIR/tests/logs/levels.txt
for level in generic avx2 avx512; do
    if [ "$(CLSTM_CPU=$level "$chosen" --chosen)" != $level ]; then skip "CLSTM_CPU=$level" "not on this machine"
    elif CLSTM_CPU=$level "$program" > "$log" 2>&1; then pass "unit_session, CLSTM_CPU=$level"
    else fail "unit_session, CLSTM_CPU=$level" "$(tail -n 5 "$log")"; fi
done
finish
