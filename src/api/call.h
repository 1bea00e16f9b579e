/* api/call: what a callback of a registered operator sees of its node. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/api_internal.h"

enum call_moment { CALL_CHECK, CALL_INFER, CALL_PREPARE, CALL_RUN, CALL_RELEASE };

struct clstm_call {
    op_ctx *ctx;                            /* NULL in check */
    const ir_node *node;
    clstm_error *err;                       /* NULL in release */
    enum call_moment moment;
    bool said, put_off;                     /* the error has its message; infer was told to wait for data */
};

/* The row that the program gave for the node's operator. */
const clstm_operator_row *api_own_row(const ir_node *n);

/* The row's default of a string attribute, or NULL. */
const char *api_own_word(const ir_node *n, const char *name);

#endif
