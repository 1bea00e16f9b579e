/* ops/loops2: the template of a loop over two inputs. */
#ifndef OPS_LOOPS2_H
#define OPS_LOOPS2_H

#include "ops/pointwise.h"

/* y = EXPR of a and b (type TI), as TO; `arg` is at hand. */
#define OP_LOOP2(name, TI, TO, EXPR) OP_LOOP2_MIXED(name, TI, TI, TO, EXPR)
#define OP_LOOP2_MIXED(name, TA, TB, TO, EXPR) \
    static void name(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const TA *pa = in[0]; const TB *pb = in[1]; TO *y = out; \
        (void)arg; \
        if (still & 1) { \
            const TA a = *pa; \
            OP_IVDEP for (int64_t i = 0; i < n; i++) { const TB b = pb[i]; y[i] = (TO)(EXPR); } \
        } else if (still & 2) { \
            const TB b = *pb; \
            OP_IVDEP for (int64_t i = 0; i < n; i++) { const TA a = pa[i]; y[i] = (TO)(EXPR); } \
        } else { \
            OP_IVDEP for (int64_t i = 0; i < n; i++) { const TA a = pa[i]; const TB b = pb[i]; y[i] = (TO)(EXPR); } \
        } \
    }

#endif
