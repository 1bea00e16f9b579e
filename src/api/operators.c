/* api/operators: operators of a program's own: the set of rows that it registers, and the table's functions that call its callbacks. */
#include "api/call.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* A row of the program's beside the table row that stands for it; nodes point at `row`, which is why each has memory of its own. */
typedef struct own_row { op_desc row; clstm_operator_row given; const char **words; } own_row;  /* words: names and defaults of strings */

struct clstm_operators {
    atomic_int refs;
    own_row **rows;
    size_t n_rows, cap_rows;
    util_arena texts;
};

static const own_row *row_of(const ir_node *n) { return (const own_row *)(const void *)n->op; }
const clstm_operator_row *api_own_row(const ir_node *n) { return &row_of(n)->given; }

const char *api_own_word(const ir_node *n, const char *name) {
    for (const char **w = row_of(n)->words; *w; w += 2)
        if (!strcmp(w[0], name)) return w[1];
    return NULL;
}

/* ---- the set ------------------------------------------------------------------------------------------------------------------ */

clstm_status clstm_operators_create(clstm_operators **out, clstm_error *err) {
    *out = util_calloc(1, sizeof **out);
    if (!*out) return util_no_memory(err);
    atomic_init(&(*out)->refs, 1);
    return CLSTM_OK;
}

clstm_operators *api_operators_ref(clstm_operators *set) {
    if (set) atomic_fetch_add(&set->refs, 1);
    return set;
}

void clstm_operators_destroy(clstm_operators *set) {
    if (!set || atomic_fetch_sub(&set->refs, 1) != 1) return;
    for (size_t i = 0; i < set->n_rows; i++) {
        if (set->rows[i]->given.free_user) set->rows[i]->given.free_user(set->rows[i]->given.user);
        free(set->rows[i]);
    }
    free(set->rows);
    util_arena_destroy(&set->texts);
    free(set);
}

static bool is_named(const op_desc *row, const char *domain, const char *name) { return !strcmp(row->name, name) && !strcmp(row->domain, domain); }

const op_desc *api_operators_find(const clstm_operators *set, const char *domain, const char *name, int version, bool *known) {
    for (size_t i = 0; set && i < set->n_rows; i++) {
        const op_desc *row = &set->rows[i]->row;
        if (!is_named(row, domain, name)) continue;
        *known = true;
        if (version >= row->since && (!row->until || version <= row->until)) return row;
    }
    return NULL;
}

/* ---- what the plan calls ---------------------------------------------------------------------------------------------------------- */

/* A callback's status: one that tells no reason gets one, and one that is none of ours is refused. */
static clstm_status settle(clstm_call *call, clstm_status s, const char *moment) {
    if (s == CLSTM_OK || (s == OP_DEFER && call->moment == CALL_INFER && call->put_off)) return s;
    if ((int)s < 0 || s > CLSTM_INTERNAL) return util_fail(call->err, CLSTM_BAD_ARGUMENT, "its %s returned %d, which is no status", moment, (int)s);
    if (!call->said) util_fail(call->err, s, "its %s failed: %s", moment, clstm_status_name(s));
    return s;
}

static clstm_status own_check(ir_node *n, clstm_error *err) {
    clstm_call call = {.node = n, .err = err, .moment = CALL_CHECK};
    return settle(&call, api_own_row(n)->check(&call), "check");
}

/* A promise that streams rely on. */
static clstm_status check_pointwise(op_ctx *ctx) {
    char got[200], want[200];
    clstm_tensor all = {.rank = 0};
    for (int i = 0; i < ctx->n_in; i++)
        if (op_has_in(ctx, i) && !tensor_broadcast(&all, op_in(ctx, i))) return op_bad_model(ctx, "the shapes of its inputs do not broadcast");
    for (int i = 0; i < ctx->n_out; i++)
        if (op_has_out(ctx, i) && !tensor_same_shape(op_out(ctx, i), &all))
            return util_fail(ctx->err, CLSTM_BAD_ARGUMENT, "output %d of a pointwise operator has the shape %s, its inputs give %s", i,
                             tensor_shape_text(got, sizeof got, op_out(ctx, i)), tensor_shape_text(want, sizeof want, &all));
    return CLSTM_OK;
}

static clstm_status own_infer(op_ctx *ctx) {
    const clstm_operator_row *row = api_own_row(ctx->node);
    clstm_call call = {.ctx = ctx, .node = ctx->node, .err = ctx->err, .moment = CALL_INFER};
    for (int i = 0; i < ctx->n_in; i++)
        if (op_has_in(ctx, i) && ctx->in[i]->kind != CLSTM_KIND_TENSOR) return op_bad_model(ctx, "input %d is no tensor", i);
    if (row->flags & CLSTM_OPERATOR_ALLOCATES) return CLSTM_OK;
    UTIL_TRY(settle(&call, row->infer(&call), "infer"));
    for (int i = 0; i < ctx->n_out; i++)
        if (op_has_out(ctx, i) && ctx->out[i]->kind == CLSTM_KIND_NONE) return util_fail(ctx->err, CLSTM_BAD_ARGUMENT, "its infer sets no shape for output %d", i);
    return row->flags & CLSTM_OPERATOR_POINTWISE ? check_pointwise(ctx) : CLSTM_OK;
}

static clstm_status own_prepare(op_ctx *ctx) {
    clstm_call call = {.ctx = ctx, .node = ctx->node, .err = ctx->err, .moment = CALL_PREPARE};
    return settle(&call, api_own_row(ctx->node)->prepare(&call), "prepare");
}

static clstm_status own_run(op_ctx *ctx) {
    clstm_call call = {.ctx = ctx, .node = ctx->node, .err = ctx->err, .moment = CALL_RUN};
    UTIL_TRY(settle(&call, api_own_row(ctx->node)->run(&call), "run"));
    for (int i = 0; i < ctx->n_out; i++)
        if (op_has_out(ctx, i) && ctx->out[i]->kind == CLSTM_KIND_NONE) return util_fail(ctx->err, CLSTM_BAD_ARGUMENT, "its run leaves output %d without a value", i);
    return CLSTM_OK;
}

static void own_release(op_ctx *ctx) {
    clstm_call call = {.ctx = ctx, .node = ctx->node, .moment = CALL_RELEASE};
    api_own_row(ctx->node)->release(&call);
}

/* ---- registering ------------------------------------------------------------------------------------------------------------------ */

static clstm_status check_callbacks(const clstm_operator_row *r, clstm_error *err) {
    bool allocates = r->flags & CLSTM_OPERATOR_ALLOCATES;
    if (strpbrk(r->inputs ? r->inputs : "", "(") || strpbrk(r->outputs, "(")) return util_fail(err, CLSTM_BAD_ARGUMENT, "sequences and optionals are not for operators of a program's own");
    for (const char *s = r->attributes ? r->attributes : ""; (s = strchr(s, ':')); s++)
        if (!strchr("ifstIFS", s[1])) return util_fail(err, CLSTM_BAD_ARGUMENT, "attributes that are graphs, types or lists of tensors are not for operators of a program's own");
    if (!r->run) return util_fail(err, CLSTM_BAD_ARGUMENT, "it has no run");
    if (!r->infer != allocates) return util_fail(err, CLSTM_BAD_ARGUMENT, allocates ? "it has an infer, and allocates in run" : "it has no infer");
    if (r->flags & ~(unsigned)(CLSTM_OPERATOR_PURE | CLSTM_OPERATOR_POINTWISE | CLSTM_OPERATOR_IN_PLACE | CLSTM_OPERATOR_ALLOCATES))
        return util_fail(err, CLSTM_BAD_ARGUMENT, "flags 0x%x are not known", r->flags);
    if (allocates && r->flags & (CLSTM_OPERATOR_POINTWISE | CLSTM_OPERATOR_IN_PLACE))
        return util_fail(err, CLSTM_BAD_ARGUMENT, "what allocates in run is neither pointwise nor in place");
    return CLSTM_OK;
}

static clstm_status check_place(const clstm_operators *set, const op_desc *row, clstm_error *err) {
    bool standard = false;
    ops_find(row->domain, row->name, 1, &standard);
    if (standard) return util_fail(err, CLSTM_BAD_ARGUMENT, "clstm has an operator of this name");
    for (size_t i = 0; i < set->n_rows; i++) {
        const op_desc *other = &set->rows[i]->row;
        if (is_named(other, row->domain, row->name) && (!other->until || row->since <= other->until) && (!row->until || other->since <= row->until))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "a row for version %d is there already", other->since > row->since ? other->since : row->since);
    }
    return CLSTM_OK;
}

static void fill(op_desc *row, const clstm_operator_row *r) {
    *row = (op_desc){.domain = r->domain, .name = r->name, .since = r->since, .until = r->until, .inputs = r->inputs ? r->inputs : "", .outputs = r->outputs ? r->outputs : "",
                     .types = r->types, .attrs = r->attributes, .check = r->check ? own_check : NULL, .infer = own_infer, .prepare = r->prepare ? own_prepare : NULL,
                     .run = own_run, .release = r->release ? own_release : NULL, .inplace = r->flags & CLSTM_OPERATOR_IN_PLACE ? 1 : 0, .flags = OP_REGISTERED};
    if (!(r->flags & CLSTM_OPERATOR_PURE)) row->flags |= OP_IMPURE;
    if (r->flags & CLSTM_OPERATOR_POINTWISE) row->flags |= OP_POINTWISE;
    if (r->flags & CLSTM_OPERATOR_ALLOCATES) row->flags |= OP_ALLOCATES;
}

/* Defaults of strings, cut out of the list of attributes once so that reading one allocates nothing. */
static bool cut_words(clstm_operators *set, own_row *own) {
    size_t n = 0;
    const char *list = own->given.attributes ? own->given.attributes : "";
    own->words = util_arena_alloc(&set->texts, strlen(list) + 2, sizeof *own->words);
    for (const char *s = list; own->words && *(s += strspn(s, " ")); s += strcspn(s, " ")) {
        size_t whole = strcspn(s, " "), name = strcspn(s, ":");
        if (name + 2 >= whole || s[name + 1] != IR_ATTR_STRING || s[name + 2] != '=') continue;
        own->words[n] = util_arena_strndup(&set->texts, s, name);
        own->words[n + 1] = util_arena_strndup(&set->texts, s + name + 3, whole - name - 3);
        if (!own->words[n] || !own->words[n + 1]) return false;
        n += 2;
    }
    return own->words != NULL;
}

/* Texts are the set's own from here on. */
static bool own_texts(clstm_operators *set, clstm_operator_row *r) {
    const char **text[] = {&r->domain, &r->name, &r->inputs, &r->outputs, &r->types, &r->attributes};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        if (*text[i] && !(*text[i] = util_arena_strdup(&set->texts, *text[i]))) return false;
    return true;
}

static clstm_status add(clstm_operators *set, const clstm_operator_row *r, clstm_error *err) {
    op_desc row;
    fill(&row, r);
    UTIL_TRY(op_check_row(&row, err));
    UTIL_TRY(check_callbacks(r, err));
    UTIL_TRY(check_place(set, &row, err));
    own_row *own = util_calloc(1, sizeof *own);
    if (!own || !util_grow((void **)&set->rows, &set->cap_rows, set->n_rows + 1, sizeof *set->rows)) { free(own); return util_no_memory(err); }
    own->given = *r;
    if (!own_texts(set, &own->given) || !cut_words(set, own)) { free(own); return util_no_memory(err); }
    fill(&own->row, &own->given);
    set->rows[set->n_rows++] = own;
    return CLSTM_OK;
}

clstm_status clstm_register_operator(clstm_operators *set, const clstm_operator_row *r, clstm_error *err) {
    char name[96], domain[96];
    clstm_operator_row row = *r;
    if (!row.domain || !strcmp(row.domain, "ai.onnx")) row.domain = "";
    if (!row.name) row.name = "";
    clstm_status s = add(set, &row, err);
    if (s == CLSTM_OK) return s;
    return util_context(err, s, "operator \"%s\" of domain \"%s\"", util_escape(name, sizeof name, row.name), util_escape(domain, sizeof domain, row.domain));
}
