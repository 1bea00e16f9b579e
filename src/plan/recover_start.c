/* plan/recover_start: the first step of a chain whose state is zero. Its products with the state were folded away, by the exporter or here,
 * so that it is known by the steps behind it: the same weights of x, and what was folded left their biases as they are. */
#include "plan/recover.h"

#include "tensor/tensor.h"

#include <string.h>

/* The state that nothing of is left. */
static clstm_status zero_state(recover_cell *c, clstm_error *err) {
    size_t bytes;
    clstm_tensor t = c->new_h->type;
    if (!tensor_bytes(&t, &bytes) || !(c->h = ir_constant(c->graph, &t, err))) return util_no_memory(err);
    memset(c->h->constant->tensor.data, 0, bytes);
    return CLSTM_OK;
}

clstm_status recover_start(recover_cell *c, recover_weights **list, bool *found, clstm_error *err) {
    for (recover_weights **at = list; *at; at = &(*at)->next) {
        UTIL_TRY(recover_starts(c, *at, found, err));
        if (!*found) continue;
        recover_weights *with = *at;
        *at = with->next;
        with->next = *list;
        *list = with;
        return c->h ? CLSTM_OK : zero_state(c, err);
    }
    return CLSTM_OK;
}
