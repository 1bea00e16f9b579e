# shellcheck shell=sh
# Shared by the test scripts (POSIX sh): counting cases and the closing line.
# A script sources it, calls pass/fail/skip a case, and ends with `finish`.
: "${CLSTM_SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${CLSTM_BUILDDIR:=$CLSTM_SRCDIR/build}"
: "${CLSTM_SHARED:=$CLSTM_SRCDIR/../shared}"
: "${CLSTM_TOOLS:=$CLSTM_BUILDDIR/tools}"
# the sources may not be writable, and are not the place
export PYTHONDONTWRITEBYTECODE=1
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); echo "ok $1"; }
fail() { failed=$((failed + 1)); echo "not ok $1${2:+: $2}"; }
skip() { skipped=$((skipped + 1)); echo "skip $1${2:+: $2}"; }

# Libtool's wrappers take longer to start than the programs do: for scripts that start them a thousand times.
without_wrappers() {
    if [ -x "$CLSTM_TOOLS/.libs/clstm-convert" ] && [ "$(head -c 2 "$CLSTM_TOOLS/clstm-convert")" = '#!' ]; then
        LD_LIBRARY_PATH=$CLSTM_BUILDDIR/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        CLSTM_TOOLS=$CLSTM_TOOLS/.libs
        export LD_LIBRARY_PATH
    fi
}

# have COMMAND...: all of them can be started
have() {
    for command_name in "$@"; do
        command -v "$command_name" >/dev/null 2>&1 || return 1
    done
}

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}
