#!/bin/sh
# Makes ./configure. Needs autoconf, automake, libtool and pkg-config's macros.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --force
