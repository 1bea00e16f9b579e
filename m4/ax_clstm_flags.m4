dnl Compiler and linker flags: warnings, hardening, sanitizers, instruction sets.

dnl AX_CLSTM_TRY_CFLAG(VARIABLE, FLAG): appends FLAG when the compiler takes it without a warning.
AC_DEFUN([AX_CLSTM_TRY_CFLAG], [
  clstm_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $2 -Werror"
  AC_MSG_CHECKING([whether $CC takes $2])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"; clstm_flag=yes], [AC_MSG_RESULT([no]); clstm_flag=no])
  CFLAGS=$clstm_save_CFLAGS
])

dnl AX_CLSTM_TRY_LDFLAG(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([AX_CLSTM_TRY_LDFLAG], [
  clstm_save_LDFLAGS=$LDFLAGS
  LDFLAGS="$LDFLAGS $2"
  AC_MSG_CHECKING([whether the linker takes $2])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"; clstm_flag=yes], [AC_MSG_RESULT([no]); clstm_flag=no])
  LDFLAGS=$clstm_save_LDFLAGS
])

dnl AX_CLSTM_ISA(NAME, FLAGS, EXPRESSION, HEADER): sets NAME_CFLAGS and the conditional HAVE_NAME_FLAGS.
AC_DEFUN([AX_CLSTM_ISA], [
  clstm_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $2 -Werror=implicit-function-declaration"     # an instruction that is not there is no function of ours
  AC_MSG_CHECKING([whether $CC compiles for $1])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <$4>
      void f(void *out) { __auto_type v = $3; __builtin_memcpy(out, &v, sizeof v); }]], [])],
    [have_$1_FLAGS=yes; isa_summary="$isa_summary $1"
     AC_DEFINE([HAVE_$1_FLAGS], [1], [Define to 1 when kernels for $1 are built.])],
    [have_$1_FLAGS=no])
  AC_MSG_RESULT([$have_$1_FLAGS])
  CFLAGS=$clstm_save_CFLAGS
  AC_SUBST([$1_CFLAGS], ["$2"])
  AM_CONDITIONAL([HAVE_$1_FLAGS], [test $have_$1_FLAGS = yes])
])

dnl AX_CLSTM_FLAGS: CLSTM_CFLAGS (all our objects), CLSTM_WARN_CFLAGS (not for generated ones),
dnl CLSTM_LDFLAGS; sanitizers go to CFLAGS and LDFLAGS themselves, so that every link sees them.
AC_DEFUN([AX_CLSTM_FLAGS], [
  CLSTM_CFLAGS= CLSTM_WARN_CFLAGS= CLSTM_LDFLAGS=
  for flag in -Wall -Wextra -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes; do
    AX_CLSTM_TRY_CFLAG([CLSTM_WARN_CFLAGS], [$flag])
  done
  dnl clang tells of each loop that stays scalar; vectors are a hope there, not a demand
  clstm_ignored=
  AX_CLSTM_TRY_CFLAG([clstm_ignored], [-Wpass-failed])
  AS_IF([test $clstm_flag = yes], [CLSTM_WARN_CFLAGS="$CLSTM_WARN_CFLAGS -Wno-pass-failed"])
  AS_IF([test "x$enable_werror" != xno], [CLSTM_WARN_CFLAGS="$CLSTM_WARN_CFLAGS -Werror"])

  dnl Nor on what a register holds more than the type: 32-bit x86 is left for SSE2.
  AC_MSG_CHECKING([for float arithmetic of the declared type])
  clstm_save_CFLAGS=$CFLAGS
  for flag in '' '-msse2 -mfpmath=sse' none; do
    AS_IF([test "x$flag" = xnone], [AC_MSG_ERROR([FLT_EVAL_METHOD must be 0])])
    CFLAGS="$clstm_save_CFLAGS $flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <float.h>
      #if FLT_EVAL_METHOD != 0
      #error
      #endif]], [])], [break])
  done
  CFLAGS=$clstm_save_CFLAGS
  CLSTM_CFLAGS="$CLSTM_CFLAGS $flag"
  AC_MSG_RESULT([${flag:-yes}])

  dnl Bits must not depend on what the compiler contracts; see "Canonical order" in doc/architecture.md.
  dnl libclstm.map says which names are seen; inside, nothing is to be replaced.
  for flag in -ffp-contract=off -fno-semantic-interposition -ffunction-sections; do
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [$flag])
  done
  dnl No value changes: errno and exception flags are not ours to keep, and gcc -O2 alone leaves most loops scalar.
  for flag in -fno-math-errno -fno-trapping-math -fvect-cost-model=dynamic; do
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [$flag])
  done

  AS_IF([test "x$enable_sanitizers" != xno], [
    AS_IF([test "x$enable_sanitizers" = xyes], [enable_sanitizers=address,undefined])
    clstm_san="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer -fno-sanitize-recover=all"
    clstm_flag=no
    AX_CLSTM_TRY_LDFLAG([LDFLAGS], [$clstm_san])
    AS_IF([test $clstm_flag = no], [AC_MSG_ERROR([--enable-sanitizers=$enable_sanitizers does not work with $CC])])
    CFLAGS="$CFLAGS $clstm_san"
    AC_DEFINE([CLSTM_SANITIZED], [1], [Define to 1 in a sanitizer build.])
  ], [
    dnl Sanitizers and fortified calls hide each other's findings.
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3])
    AS_IF([test $clstm_flag = no], [AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2])])
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [-fstack-protector-strong])
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [-fstack-clash-protection])
    dnl C has nothing to unwind, debuggers have .debug_frame: a tenth of the library.
    AX_CLSTM_TRY_CFLAG([CLSTM_CFLAGS], [-fno-asynchronous-unwind-tables])
    AX_CLSTM_TRY_LDFLAG([CLSTM_LDFLAGS], [-Wl,-z,relro])
    AX_CLSTM_TRY_LDFLAG([CLSTM_LDFLAGS], [-Wl,-z,now])
    AX_CLSTM_TRY_LDFLAG([CLSTM_LDFLAGS], [-Wl,-z,noexecstack])
    dnl The operator table is all pointers: 100 KB of relocations, 5 KB when packed. Needs a loader that knows them, so it must run.
    clstm_save_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS -Wl,-z,pack-relative-relocs"
    AC_MSG_CHECKING([whether packed relative relocations work])
    AC_RUN_IFELSE([AC_LANG_PROGRAM([[static int x, *volatile p = &x;]], [[return *p;]])],
      [AC_MSG_RESULT([yes]); CLSTM_LDFLAGS="$CLSTM_LDFLAGS -Wl,-z,pack-relative-relocs"], [AC_MSG_RESULT([no])], [AC_MSG_RESULT([not tried])])
    LDFLAGS=$clstm_save_LDFLAGS
  ])
  AM_CONDITIONAL([SANITIZED], [test "x$enable_sanitizers" != xno])

  LIB_FUZZING_ENGINE=
  AS_IF([test "x$enable_fuzz" != xno], [
    clstm_flag=no
    AX_CLSTM_TRY_LDFLAG([LDFLAGS], [-fsanitize=fuzzer-no-link])
    AS_IF([test $clstm_flag = no], [AC_MSG_ERROR([--enable-fuzz needs clang (CC=clang)])])
    CFLAGS="$CFLAGS -fsanitize=fuzzer-no-link"
    LIB_FUZZING_ENGINE=-fsanitize=fuzzer
  ])
  AM_CONDITIONAL([ENABLE_FUZZ], [test "x$enable_fuzz" != xno])
  AC_SUBST([LIB_FUZZING_ENGINE])

  clstm_map=no
  echo '{ global: clstm_*; local: *; };' > conftest.map
  AX_CLSTM_TRY_LDFLAG([clstm_map], [-shared -Wl,--version-script=conftest.map])
  rm -f conftest.map
  AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test "x$clstm_map" != xno])
  CLSTM_LIBRARY_LDFLAGS=
  AX_CLSTM_TRY_LDFLAG([CLSTM_LIBRARY_LDFLAGS], [-Wl,-Bsymbolic-functions])
  AX_CLSTM_TRY_LDFLAG([CLSTM_LIBRARY_LDFLAGS], [-Wl,--gc-sections])
  AC_SUBST([CLSTM_LIBRARY_LDFLAGS])

  dnl Optimisation is ours to choose as long as nobody else did: speed, and size for what runs once.
  CLSTM_FAST_CFLAGS= CLSTM_SMALL_CFLAGS=
  AS_IF([test "x$clstm_own_CFLAGS" = x], [
    CFLAGS=`AS_ECHO(["$CFLAGS"]) | $SED 's/-O2//'`
    CLSTM_FAST_CFLAGS=-O2 CLSTM_SMALL_CFLAGS=-Os
    AS_IF([test "x$enable_sanitizers$enable_fuzz" = xnono],
      [AC_DEFINE([CLSTM_DEFAULT_CFLAGS], [1], [Define to 1 when nobody chose other flags for the compiler.])])
  ])

  AC_SUBST([CLSTM_FAST_CFLAGS])
  AC_SUBST([CLSTM_SMALL_CFLAGS])
  AC_SUBST([CLSTM_CFLAGS])
  AC_SUBST([CLSTM_WARN_CFLAGS])
  AC_SUBST([CLSTM_LDFLAGS])
])
