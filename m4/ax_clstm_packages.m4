dnl Packages: required threads, optional libraries.

dnl AX_CLSTM_PTHREAD: -pthread for compiling and linking.
AC_DEFUN([AX_CLSTM_PTHREAD], [
  AC_CHECK_HEADER([pthread.h], [], [AC_MSG_ERROR([POSIX threads are needed])])
  AC_SUBST([PTHREAD_CFLAGS], [-pthread])
  AC_SUBST([PTHREAD_LIBS], [-pthread])
])

dnl AX_CLSTM_OPTIONAL(NAME, PKG-CONFIG MODULE, DEBIAN PACKAGE, WHAT FOR): sets have_NAME,
dnl HAVE_NAME in config.h and as a conditional, NAME_CFLAGS and NAME_LIBS; --without-name leaves it out.
AC_DEFUN([AX_CLSTM_OPTIONAL], [
  m4_pushdef([clstm_with], [m4_translit([$1], [A-Z_], [a-z-])])
  AC_ARG_WITH(clstm_with, [AS_HELP_STRING([--without-]clstm_with, [leave out $4])])
  have_$1=no
  AS_IF([test "x$with_[]m4_translit([$1], [A-Z], [a-z])" = xno], [
    $1_CFLAGS= $1_LIBS=
  ], [
    PKG_CHECK_MODULES([$1], [$2], [have_$1=yes], [missing_optional="$missing_optional
  $3: $4"])
  ])
  AS_IF([test $have_$1 = yes], [AC_DEFINE([HAVE_$1], [1], [Define to 1 when $3 is there, for $4.])])
  AM_CONDITIONAL([HAVE_$1], [test $have_$1 = yes])
  m4_popdef([clstm_with])
])

dnl AX_CLSTM_OPENBLAS: by pkg-config or by hand; --with-openblas=yes makes it required.
AC_DEFUN([AX_CLSTM_OPENBLAS], [
  have_OPENBLAS=no
  AS_IF([test "x$with_openblas" != xno], [
    PKG_CHECK_MODULES([OPENBLAS], [openblas], [have_OPENBLAS=yes],
      [OPENBLAS_LIBS=-lopenblas; OPENBLAS_CFLAGS=; have_OPENBLAS=maybe])
    clstm_save_LIBS=$LIBS
    clstm_save_CPPFLAGS=$CPPFLAGS
    LIBS="$OPENBLAS_LIBS $LIBS"
    CPPFLAGS="$CPPFLAGS $OPENBLAS_CFLAGS"
    AC_MSG_CHECKING([whether OpenBLAS links])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <cblas.h>]],
        [[double a = 1, c = 0;
          cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &a, 1, &a, 1, 0, &c, 1);
          return openblas_get_num_threads() == 0;]])],
      [have_OPENBLAS=yes], [have_OPENBLAS=no])
    AC_MSG_RESULT([$have_OPENBLAS])
    LIBS=$clstm_save_LIBS
    CPPFLAGS=$clstm_save_CPPFLAGS
    AS_IF([test $have_OPENBLAS = no], [
      AS_IF([test "x$with_openblas" = xyes], [AC_MSG_ERROR([--with-openblas, but OpenBLAS is not there])])
      missing_optional="$missing_optional
  libopenblas-dev: the comparison bench/openblas-bench"])
  ])
  AS_IF([test $have_OPENBLAS = yes],
    [AC_DEFINE([HAVE_OPENBLAS], [1], [Define to 1 to use OpenBLAS.])],
    [OPENBLAS_CFLAGS=; OPENBLAS_LIBS=])
  AC_SUBST([OPENBLAS_CFLAGS])
  AC_SUBST([OPENBLAS_LIBS])
  dnl what a static link against libclstm.a needs besides; not Requires.private, which would ask every user for protobuf-c.pc
  AC_SUBST([CLSTM_PC_LIBS_PRIVATE], ["$PROTOBUF_C_LIBS $PTHREAD_LIBS -lm"])
  AM_CONDITIONAL([HAVE_OPENBLAS], [test $have_OPENBLAS = yes])
])
