#!/bin/sh
# `make install` into an empty directory: what a package would carry, and that a program can be built with it.
set -u
. "$CLSTM_SRCDIR/tests/lib.sh"
if grep -q '^#define CLSTM_SANITIZED 1' "$CLSTM_BUILDDIR/config.h"; then
    skip install "a sanitizer build is not for installing"
    finish
fi
root=$(mktemp -d "${TMPDIR:-/tmp}/clstm-install.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM
: "${CC:=cc}"
cd "$CLSTM_BUILDDIR" || exit 1

mkdir "$root/two words" && said=$(cd "$root/two words" && "$CLSTM_SRCDIR/configure" 2>&1)
if [ $? = 1 ] && case $said in *"must have no space: "*"/two words") true;; *) false;; esac; then pass "no build in a path with a space"
else fail "no build in a path with a space" "$said"; fi
rm -rf "$root/two words"

if make -s install DESTDIR="$root" >"$root.log" 2>&1; then pass "make install"; else fail "make install" "$(tail -n 3 "$root.log")"; fi
rm -f "$root.log"
one() { find "$root" -name "$1" \( -type f -o -type l \) | head -n 1; }
pc=$(one clstm.pc)
library=$(one libclstm.so)
bin=$(dirname "$(one clstm-run)")

for name in clstm.pc libclstm.so libclstm.so.0 libclstm.a clstm.h clstm-convert.pc libclstm-convert.so libclstm-convert.so.0 libclstm-convert.a convert.h; do
    if [ -n "$(one "$name")" ]; then pass "installs $name"; else fail "installs $name"; fi
done
for tool in "$bin"/clstm-*; do
    name=${tool##*/}
    if [ -n "$(one "$name.1")" ]; then pass "$name has a manual page"; else fail "$name has a manual page"; fi
    if LD_LIBRARY_PATH=$(dirname "$library") "$tool" --version >/dev/null; then pass "$name runs"; else fail "$name runs"; fi
done

if have readelf nm; then
    if readelf -d "$library" | grep -q 'SONAME.*\[libclstm\.so\.0\]'; then pass soname; else fail soname; fi
    for file in "$library" "${library%.so}-convert.so" "$bin"/clstm-*; do
        if readelf -lW "$file" | grep -q GNU_RELRO && readelf -dW "$file" | grep -q -e BIND_NOW -e 'FLAGS.*NOW'; then
            pass "full RELRO: ${file##*/}"
        else
            fail "full RELRO: ${file##*/}"
        fi
        if readelf -lW "$file" | grep GNU_STACK | grep -q RWE; then fail "executable stack: ${file##*/}"; fi
        if readelf -hW "$file" | grep -q 'Type:.*DYN'; then pass "position-independent: ${file##*/}"; else fail "position-independent: ${file##*/}"; fi
        if ! grep -q '^#define CLSTM_DEFAULT_CFLAGS 1' config.h; then
            skip "stack protector and fortified calls: ${file##*/}" "not the default flags"
        elif nm -D "$file" | grep -q __stack_chk_fail && nm -D "$file" | grep -q '__[a-z]*_chk@'; then
            pass "stack protector and fortified calls: ${file##*/}"
        else
            fail "stack protector and fortified calls: ${file##*/}"
        fi
    done
    # what libclstm-convert needs of the inside carries the release in its version
    for file in "$library" "${library%.so}-convert.so"; do
        other=$(nm -D --defined-only "$file" | awk '$2 ~ /[TDBRVW]/ { print $3 }' | grep -v -e '^clstm_' -e '@@CLSTM_PRIVATE_[0-9]')
        if [ -z "$other" ]; then pass "only clstm_ names are exported: ${file##*/}"; else fail "only clstm_ names are exported: ${file##*/}" "$other"; fi
    done
    if readelf -d "$bin/clstm-run" | grep -q libclstm-convert; then fail "clstm-run does without libclstm-convert"; else pass "clstm-run does without libclstm-convert"; fi
fi

# the library that runs models is small
if ! grep -q '^#define CLSTM_DEFAULT_CFLAGS 1' config.h; then
    skip "libclstm.so under 1,000,000 bytes" "not the default flags"
elif $CC --version | grep -q clang; then
    skip "libclstm.so under 1,000,000 bytes" "clang unrolls more: 1.1 MB"
elif ! have strip; then
    skip "libclstm.so under 1,000,000 bytes" "strip is not installed"
else
    strip -o "$root/stripped" "$library"
    bytes=$(wc -c <"$root/stripped")
    if [ "$bytes" -lt 1000000 ]; then pass "libclstm.so under 1,000,000 bytes"; else fail "libclstm.so under 1,000,000 bytes" "$bytes"; fi
fi

# the files as another package would find them
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$root"
model=$CLSTM_SRCDIR/models/sunspots
# link NAME FLAGS...: builds the example with the installed files and compares its answer with PyTorch's count and sign
link() {
    name=$1
    shift
    # shellcheck disable=SC2068,SC2086
    if ! $CC -std=c11 -Wall -Wextra -Werror -o "$root/$name" "$CLSTM_SRCDIR/examples/minimal.c" $@; then
        fail "example: $name" "does not build with $*"
        return
    fi
    if LD_LIBRARY_PATH=$(dirname "$library") "$root/$name" "$model/model.onnx" <"$model/input.csv" >"$root/$name.out" &&
        [ "$(wc -l <"$root/$name.out")" -eq 48 ]; then
        pass "example: $name"
    else
        fail "example: $name" "$(head -n 3 "$root/$name.out")"
    fi
}
if have pkg-config; then
    # shellcheck disable=SC2046
    link shared $(pkg-config --cflags --libs clstm)
    # shellcheck disable=SC2046
    link static $(pkg-config --cflags clstm) "${library%.so}.a" $(pkg-config --static --libs clstm | sed 's/-lclstm//')
    cat >"$root/convert.c" <<'END'
#include <clstm/convert.h>
#include <stdio.h>

static clstm_status count(void *user, const void *bytes, size_t size, clstm_error *err) {
    (void)bytes; (void)err;
    *(size_t *)user += size;
    return CLSTM_OK;
}

int main(int argc, char **argv) {
    clstm_model *model;
    clstm_error err;
    size_t size = 0;
    if (argc < 2 || clstm_model_load(argv[1], NULL, &model, &err) || clstm_convert_onnx(model, NULL, count, &size, &err)) return 1;
    clstm_model_destroy(model);
    return printf("%zu\n", size) < 0;
}
END
    # convert NAME FLAGS...: the same with the converter, which gives a file as large as clstm-convert's
    convert() {
        name=$1
        shift
        # shellcheck disable=SC2068,SC2086
        $CC -std=c11 -Wall -Wextra -Werror -o "$root/convert-$name" "$root/convert.c" $@ || { fail "converter: $name" "does not build with $*"; return; }
        bytes=$(LD_LIBRARY_PATH=$(dirname "$library") "$root/convert-$name" "$model/model.onnx")
        if [ "$bytes" = "$(wc -c <"$root/converted.onnx")" ]; then pass "converter: $name"; else fail "converter: $name" "$bytes"; fi
    }
    LD_LIBRARY_PATH=$(dirname "$library") "$bin/clstm-convert" "$model/model.onnx" "$root/converted.onnx"
    # shellcheck disable=SC2046
    convert shared $(pkg-config --cflags --libs clstm-convert)
    # shellcheck disable=SC2046
    convert static $(pkg-config --cflags clstm-convert) "${library%.so}-convert.a" "${library%.so}.a" \
        $(pkg-config --static --libs clstm-convert | sed 's/-lclstm-convert//; s/-lclstm//')
    if cmp -s "$root/shared.out" "$root/static.out"; then pass "both give the same bits"; else fail "both give the same bits"; fi
    if LD_LIBRARY_PATH=$(dirname "$library") "$root/shared" "$root/none.onnx" </dev/null 2>"$root/err"; then
        fail "example: a missing model" "exit 0"
    elif grep -q none.onnx "$root/err"; then
        pass "example: a missing model is named"
    else
        fail "example: a missing model is named" "$(cat "$root/err")"
    fi
else
    skip "example" "pkg-config is not installed"
fi
include=$(dirname "$(dirname "$(one clstm.h)")")
for header in "$include"/clstm/*.h; do
    name=clstm/${header##*/}
    if echo "#include <$name>" | $CC -I"$include" -std=c99 -pedantic -Wall -Werror -fsyntax-only -x c -; then
        pass "$name alone, as C99"
    else
        fail "$name alone, as C99"
    fi
    if have c++; then
        if echo "#include <$name>" | c++ -I"$include" -Wall -Werror -fsyntax-only -x c++ -; then
            pass "$name alone, as C++"
        else
            fail "$name alone, as C++"
        fi
    fi
done

make -s uninstall DESTDIR="$root" >/dev/null 2>&1
left=$(find "$root" \( -name '*clstm*' -o -path '*/man/*' \) ! -type d)
if [ -z "$left" ]; then pass "make uninstall"; else fail "make uninstall" "$left"; fi
finish
