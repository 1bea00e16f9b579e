#!/bin/sh
# From a fresh clone to an answer:
#   ./quickstart.sh         installs what is missing, builds in ./build and runs the main job
#   ./quickstart.sh check   the same set-up, then every test
#   ./quickstart.sh deps    only installs what is missing
# Packages come through apt (as root, or through sudo without a question); elsewhere they are named and the script stops.
# CLSTM_BUILD names another build directory.
set -eu
exec </dev/null     # nothing may ask, and libtool needs an open standard input
cd "$(dirname "$0")"
build=build configure=../configure      # relative: an absolute path with a space is refused by configure
if [ -n "${CLSTM_BUILD:-}" ]; then build=$CLSTM_BUILD configure=$PWD/configure; fi
jobs=$(nproc 2>/dev/null || echo 1)

usage() {
    sed -n '2,7s/^# \{0,1\}//p' "$0"
}

# command or file that shows a package to be there : Debian package
needs='
autoconf:autoconf
automake:automake
libtoolize:libtool
pkg-config:pkgconf
make:make
cc:gcc
/usr/include/stdio.h:libc6-dev
xz:xz-utils
protoc-c:protobuf-c-compiler
pc/libprotobuf-c:libprotobuf-c-dev
pc/openblas:libopenblas-dev
pc/check:check
pc/libzip:libzip-dev
pc/zlib:zlib1g-dev
pc/sndfile:libsndfile1-dev
pc/json-c:libjson-c-dev
'
needs_check='
python3:python3
valgrind:valgrind
'

there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        pc/*) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "${1#pc/}" ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    for need in $needs ${1:+$needs_check}; do
        there "${need%%:*}" || printf '%s ' "${need#*:}"
    done
}

install_deps() {
    packages=$(missing "$1")
    [ -n "$packages" ] || return 0
    as_root=
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "quickstart.sh: no apt-get here; please install (Debian's names): $packages" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
            echo "quickstart.sh: neither root nor sudo without a password; please install: $packages" >&2
            exit 1
        fi
        as_root='sudo -n'
    fi
    echo "quickstart.sh: installing $packages" >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2 ||
        echo "quickstart.sh: apt-get update failed; trying with the lists that are here" >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold install $packages >&2
    packages=$(missing "$1")
    if [ -n "$packages" ]; then
        echo "quickstart.sh: still missing after the installation: $packages" >&2
        exit 1
    fi
}

compile() {
    [ -e Makefile.in ] || ./autogen.sh >&2      # the last file that it makes
    mkdir -p "$build"
    (
        cd "$build"
        [ -e config.status ] || "$configure" >&2
        make --no-print-directory -j"$jobs" >&2
    )
}

# The forecaster on real sunspot numbers, beside what really came.
run_main_job() {
    model=models/sunspots
    echo "quickstart.sh: 48 months of sunspot numbers after $model/input.csv, as $model/model.onnx forecasts them" >&2
    "$build/tools/clstm-run" "$model/model.onnx" -i "series=$model/input.csv" --expect "forecast=$model/actual.csv" \
        --after series=132 --plot "$build/sunspots.svg"
    echo "picture: $(cd "$build" && pwd)/sunspots.svg"
}

case ${1:-run} in
    deps) install_deps check ;;
    check)
        install_deps check
        compile
        cd "$build"
        exec make --no-print-directory -j"$jobs" check ;;
    run)
        install_deps ''
        compile
        run_main_job ;;
    -h | --help) usage ;;
    *)
        usage >&2
        exit 2 ;;
esac
