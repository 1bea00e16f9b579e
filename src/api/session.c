/* api/session: one caller's inputs, plans and outputs. */
#include "api/api_internal.h"

#include "tensor/tensor.h"
#include "util/fpmode.h"
#include "util/resident.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PLANS = 8 };

void clstm_session_options_default(clstm_session_options *o) {
    memset(o, 0, sizeof *o);
    o->threads = 1;
    o->spin_us = -1;
    o->plan_cache = DEFAULT_PLANS;
}

/* Index i belongs to thread i: each locks its own. A stack that is given up takes its lock along. */
static void lock_stack(void *arg, int index) {
    (void)index;
    if (!util_touch_stack(true)) atomic_store((atomic_int *)arg, errno);
}

static clstm_status lock_stacks(util_pool *pool, clstm_error *err) {
    atomic_int reason = 0;
    util_pool_run(pool, util_pool_threads(pool), lock_stack, &reason);
    errno = atomic_load(&reason);
    return errno ? util_lock_failed(UTIL_STACK_BYTES, err) : CLSTM_OK;
}

clstm_status clstm_session_create(clstm_model *m, const clstm_session_options *options, clstm_session **out, clstm_error *err) {
    clstm_session_options o;
    clstm_session_options_default(&o);
    if (options) o = *options;
    clstm_limits limits = m->limits;
    *out = NULL;
    if (o.limits) UTIL_TRY(api_limits_take(&limits, o.limits, err));
    if (o.threads < 0 || o.plan_cache < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "a session option is negative");
    clstm_session *s = util_calloc(1, sizeof *s);
    if (!s) return util_no_memory(err);
    atomic_fetch_add(&m->refs, 1);
    s->model = m;
    s->options = o;
    s->limits = limits;
    s->max_plans = o.plan_cache ? (size_t)o.plan_cache : DEFAULT_PLANS;
    s->inputs = util_calloc(m->n_in, sizeof *s->inputs);
    s->pairs = util_calloc(m->n_in, sizeof *s->pairs);
    s->pair_of = util_calloc(m->n_in, sizeof *s->pair_of);
    s->pending = util_calloc(m->n_in, sizeof *s->pending);
    s->given = util_calloc(m->n_in, sizeof *s->given);
    s->constants = util_calloc(m->n_in, sizeof *s->constants);
    s->fixed = util_calloc(m->n_in, CLSTM_MAX_RANK * sizeof *s->fixed);
    s->bindings = util_calloc(m->n_out, sizeof *s->bindings);
    s->plans = util_calloc(s->max_plans, sizeof *s->plans);
    clstm_status status = CLSTM_OK;
    if (!s->inputs || !s->pairs || !s->pair_of || !s->pending || !s->given || !s->constants || !s->fixed || !s->bindings || !s->plans) status = util_no_memory(err);
    if (status == CLSTM_OK) status = util_pool_create(o.threads, o.spin_us, o.parallel_for, o.parallel_user, &s->pool, err);
    if (status == CLSTM_OK && o.lock_memory && !o.parallel_for) status = lock_stacks(s->pool, err);
    for (size_t i = 0; i < m->n_in * CLSTM_MAX_RANK && s->fixed; i++) s->fixed[i] = -1;
    for (size_t i = 0; i < m->n_in && s->pair_of; i++) s->pair_of[i] = -1;
    s->env = (op_env){.limits = &s->limits, .onnxruntime_semantics = o.onnxruntime_semantics, .pool = s->pool, .cancel = &s->cancel};
    if (status == CLSTM_OK && o.carry & CLSTM_CARRY_PORTS) status = session_find_pairs(s, err);
    if (status != CLSTM_OK) { clstm_session_destroy(s); return status; }
    *out = s;
    return CLSTM_OK;
}

static void drop_plan(session_plan *p) {
    session_drop_parts(p);
    plan_destroy(p->plan);
    free(p->shapes);
}

void session_drop_plans(clstm_session *s) {
    for (size_t i = 0; i < s->n_plans; i++) drop_plan(&s->plans[i]);
    s->n_plans = 0;
    s->current = NULL;
    s->ran = false;
}

void clstm_session_destroy(clstm_session *s) {
    if (!s) return;
    session_drop_plans(s);
    for (size_t i = 0; s->constants && i < s->model->n_in; i++) ir_const_unref(s->constants[i]);
    util_pool_destroy(s->pool);
    clstm_state_destroy(s->own);
    free(s->pairs); free(s->pair_of); free(s->pending);
    free(s->inputs); free(s->given); free(s->constants); free(s->fixed); free(s->bindings); free(s->plans);
    clstm_model_destroy(s->model);
    free(s);
}

/* ---- one thread at a time ---------------------------------------------------------------------------------------------------- */

clstm_status session_enter(clstm_session *s, clstm_error *err) {
    if (atomic_exchange_explicit(&s->busy, true, memory_order_acquire))
        return util_fail(err, CLSTM_BUSY, "the session is in use by another thread");
    return CLSTM_OK;
}
clstm_status session_leave(clstm_session *s, clstm_status status) {
    atomic_store_explicit(&s->busy, false, memory_order_release);
    return status;
}

/* ---- inputs ------------------------------------------------------------------------------------------------------------------- */

static clstm_status check_index(const clstm_session *s, size_t i, clstm_error *err) {
    return i < s->model->n_in ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "there is no input %zu (the model has %zu)", i, s->model->n_in);
}

static clstm_status check_input(const clstm_session *s, size_t i, const clstm_tensor *t, clstm_error *err) {
    const clstm_port *p = &s->model->inputs[i];
    char name[128], got[200], want[200];
    util_escape(name, sizeof name, p->name);
    if (t->type == CLSTM_TYPE_NONE || t->rank < 0 || t->rank > CLSTM_MAX_RANK || clstm_tensor_count(t) < 0 || tensor_extent(t) < 0)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\": not a tensor with a known type and shape", name);
    if (p->tensor.type != CLSTM_TYPE_NONE && t->type != p->tensor.type)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\": type %s, expected %s", name, clstm_type_name(t->type), clstm_type_name(p->tensor.type));
    if (tensor_extent(t) > s->limits.value[CLSTM_LIMIT_ELEMENTS])
        return util_fail(err, CLSTM_LIMIT, "input \"%s\": more than %lld elements (limit elements)", name, (long long)s->limits.value[CLSTM_LIMIT_ELEMENTS]);
    bool fits = p->tensor.rank < 0 || p->tensor.rank == t->rank;
    clstm_tensor expected = p->tensor;
    for (int d = 0; fits && d < expected.rank; d++) {
        int64_t fixed = s->fixed[i * CLSTM_MAX_RANK + (size_t)d];
        if (fixed >= 0) expected.dims[d] = fixed;
        fits = expected.dims[d] < 0 || expected.dims[d] == t->dims[d];
    }
    for (int d = 0; !fits && d < expected.rank; d++)
        if (s->fixed[i * CLSTM_MAX_RANK + (size_t)d] >= 0) expected.dims[d] = s->fixed[i * CLSTM_MAX_RANK + (size_t)d];
    if (!fits)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\": shape %s, expected %s", name, tensor_shape_text(got, sizeof got, t),
                         tensor_shape_text(want, sizeof want, &expected));
    return CLSTM_OK;
}

static bool same_type(const clstm_value *a, const clstm_value *b) {
    if (a->kind != b->kind || a->tensor.type != b->tensor.type) return false;
    return a->kind != CLSTM_KIND_TENSOR || tensor_same_shape(&a->tensor, &b->tensor);
}

clstm_status clstm_session_set_input_value(clstm_session *s, size_t i, const clstm_value *v, clstm_error *err) {
    char name[128];
    UTIL_TRY(check_index(s, i, err));
    const clstm_port *p = &s->model->inputs[i];
    if (v->kind == CLSTM_KIND_TENSOR && (p->kind == CLSTM_KIND_TENSOR || p->kind == CLSTM_KIND_NONE)) UTIL_TRY(check_input(s, i, &v->tensor, err));
    else if (!(v->kind == CLSTM_KIND_NONE && p->optional) && v->kind != p->kind)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\": must be a %s", util_escape(name, sizeof name, p->name),
                         p->kind == CLSTM_KIND_SEQUENCE ? "sequence" : "tensor");
    UTIL_TRY(session_enter(s, err));
    if (!s->given[i] || !same_type(&s->inputs[i], v)) s->current = NULL;
    s->inputs[i] = *v;
    s->given[i] = true;
    s->pending[i] = s->pair_of[i] >= 0 && v->tensor.data;
    return session_leave(s, CLSTM_OK);
}

clstm_status clstm_session_set_input(clstm_session *s, size_t i, const clstm_tensor *t, clstm_error *err) {
    clstm_value v = {.kind = CLSTM_KIND_TENSOR, .tensor = *t};
    return clstm_session_set_input_value(s, i, &v, err);
}

clstm_status clstm_session_set_dim(clstm_session *s, const char *name, int64_t value, clstm_error *err) {
    char text[128];
    bool found = false;
    if (value < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "dimension \"%s\": %lld is negative", util_escape(text, sizeof text, name), (long long)value);
    UTIL_TRY(session_enter(s, err));
    for (size_t i = 0; i < s->model->n_in; i++)
        for (int d = 0; d < s->model->inputs[i].tensor.rank; d++) {
            const char *symbol = s->model->inputs[i].dim_names[d];
            if (!symbol || strcmp(symbol, name)) continue;
            s->fixed[i * CLSTM_MAX_RANK + (size_t)d] = value;
            found = true;
        }
    return session_leave(s, found ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "the model has no dimension \"%s\"", util_escape(text, sizeof text, name)));
}

clstm_status clstm_session_set_constant(clstm_session *s, size_t i, const clstm_tensor *t, clstm_error *err) {
    UTIL_TRY(check_index(s, i, err));
    ir_const *c = NULL;
    if (t) {
        UTIL_TRY(check_input(s, i, t, err));
        UTIL_TRY(ir_const_new(t, &c, err));
    }
    clstm_status status = session_enter(s, err);
    if (status != CLSTM_OK) { ir_const_unref(c); return status; }
    session_drop_plans(s);
    ir_const_unref(s->constants[i]);
    s->constants[i] = c;
    return session_leave(s, CLSTM_OK);
}

/* ---- outputs ------------------------------------------------------------------------------------------------------------------ */

clstm_status clstm_session_bind_output(clstm_session *s, size_t i, void *data, size_t size, clstm_error *err) {
    if (i >= s->model->n_out) return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no output %zu (the model has %zu)", i, s->model->n_out);
    UTIL_TRY(session_enter(s, err));
    if (s->current) plan_bind_output(s->current->plan, i, NULL);
    s->bindings[i] = (session_binding){.data = data, .size = data ? size : 0};
    s->current = NULL;                      /* bindings are applied when a plan is chosen */
    return session_leave(s, CLSTM_OK);
}

const clstm_value *clstm_session_output(const clstm_session *s, size_t i) {
    if (!s->ran || i >= s->model->n_out) return NULL;
    return s->bindings[i].data && !s->bindings[i].direct ? &s->bindings[i].value : plan_output(s->last->plan, i);
}

static clstm_status too_small(const clstm_session *s, size_t i, size_t bytes, clstm_error *err) {
    char name[128];
    return util_fail(err, CLSTM_BAD_ARGUMENT, "output \"%s\": %zu bytes, bound to memory of %zu", util_escape(name, sizeof name, s->model->outputs[i].name),
                     bytes, s->bindings[i].size);
}

static clstm_status apply_bindings(clstm_session *s, plan *p, clstm_error *err) {
    for (size_t i = 0; i < s->model->n_out; i++) {
        session_binding *b = &s->bindings[i];
        const clstm_value *v = plan_output(p, i);
        size_t bytes;
        b->direct = false;
        if (b->data && v->kind == CLSTM_KIND_TENSOR && tensor_bytes(&v->tensor, &bytes) && bytes > b->size) return too_small(s, i, bytes, err);
        b->direct = plan_bind_output(p, i, b->data) && b->data;
    }
    return CLSTM_OK;
}

/* Outputs that no step writes by itself (a view of an input, a constant, a data-dependent shape) are copied to their binding. */
static clstm_status copy_outputs(clstm_session *s, plan *p, clstm_error *err) {
    for (size_t i = 0; i < s->model->n_out; i++) {
        session_binding *b = &s->bindings[i];
        size_t bytes;
        if (!b->data || b->direct) continue;
        b->value = *plan_output(p, i);
        if (b->value.kind != CLSTM_KIND_TENSOR || !tensor_bytes(&b->value.tensor, &bytes))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "output %zu is not a tensor and cannot be bound", i);
        if (bytes > b->size) return too_small(s, i, bytes, err);
        if (bytes) memcpy(b->data, b->value.tensor.data, bytes);
        b->value.tensor.data = b->data;
    }
    return CLSTM_OK;
}

/* ---- plans -------------------------------------------------------------------------------------------------------------------- */

/* As same_type; a dimension of a carried input that only the plan knows is -1 in `asked`. */
static bool fits(const clstm_value *made, const clstm_value *asked) {
    clstm_value known = *asked;
    for (int d = 0; d < known.tensor.rank && known.tensor.rank == made->tensor.rank; d++)
        if (known.tensor.dims[d] < 0) known.tensor.dims[d] = made->tensor.dims[d];
    return same_type(made, &known);
}

static session_plan *find_plan(clstm_session *s) {
    for (size_t k = 0; k < s->n_plans; k++) {
        bool same = true;
        for (size_t i = 0; i < s->model->n_in && same; i++)
            same = s->constants[i] || fits(&s->plans[k].shapes[i], &s->inputs[i]);
        if (same) return &s->plans[k];
    }
    return NULL;
}

/* A fault of a node for these inputs, with the file that the node is of. */
static clstm_status in_file(const clstm_session *s, clstm_status status, clstm_error *err) {
    return status == CLSTM_OK || !s->model->file ? status : util_context(err, status, "%s", s->model->file);
}

static clstm_status build_for_shapes(clstm_session *s, session_plan **out, clstm_error *err) {
    session_plan made = {0};
    made.shapes = util_calloc(s->model->n_in, sizeof *made.shapes);
    if (!made.shapes) return util_no_memory(err);
    memcpy(made.shapes, s->inputs, s->model->n_in * sizeof *made.shapes);
    plan_request r = {s->model->onnx.graph, s->inputs, s->constants, &s->env, !s->options.no_optimise, (s->options.carry & CLSTM_CARRY_LAYERS) != 0};
    clstm_status status = in_file(s, plan_build(&r, &made.plan, err), err);
    if (status == CLSTM_OK) status = session_make_parts(s, &made, err);
    if (status == CLSTM_OK && s->options.lock_memory) status = plan_lock(made.plan, err);
    if (status != CLSTM_OK) { drop_plan(&made); return status; }
    size_t at = s->n_plans;
    if (at < s->max_plans) s->n_plans++;
    else {
        at = 0;
        for (size_t k = 1; k < s->n_plans; k++)
            if (s->plans[k].used < s->plans[at].used) at = k;
        drop_plan(&s->plans[at]);
        s->evicted++;
    }
    s->plans[at] = made;
    s->built++;
    *out = &s->plans[at];
    return CLSTM_OK;
}

/* Where nothing tells how large a carried input is, guesses are tried until the plan holds together. The first failure is the one told. */
static clstm_status build_plan(clstm_session *s, session_plan **out, clstm_error *err) {
    clstm_error first = {0}, later;
    bool guessed = false;
    for (size_t n = 0; session_guess_carried(s, n, &guessed); n++) {
        clstm_status status = build_for_shapes(s, out, n ? &later : &first);
        if (status == CLSTM_OK || status == CLSTM_NO_MEMORY || !guessed) {
            if (status != CLSTM_OK && err) *err = n ? later : first;
            return status;
        }
    }
    if (err) *err = first;
    return first.status;
}

/* Makes s->current the plan for the inputs as they are set; builds it when allowed. */
clstm_status session_choose_plan(clstm_session *s, bool may_build, clstm_error *err) {
    char name[128];
    if (s->current) return CLSTM_OK;
    s->ran = false;
    s->checked = NULL;
    session_shape_carried(s);
    for (size_t i = 0; i < s->model->n_in; i++) {
        if (!s->given[i] && !s->constants[i] && s->pair_of[i] < 0)
            return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\" is not set", util_escape(name, sizeof name, s->model->inputs[i].name));
    }
    session_plan *p = find_plan(s);
    if (!p && !may_build) return util_fail(err, CLSTM_NOT_PREPARED, "the session is not prepared for these input shapes");
    if (!p) UTIL_TRY(build_plan(s, &p, err));
    p->used = ++s->clock;
    UTIL_TRY(session_own_state(s, p, err));
    UTIL_TRY(apply_bindings(s, p->plan, err));
    s->current = p;
    return CLSTM_OK;
}

clstm_status clstm_session_prepare(clstm_session *s, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    util_fpmode mode = util_fpmode_enter();
    clstm_status status = session_choose_plan(s, true, err);
    if (status == CLSTM_OK) util_touch_program();
    if (status == CLSTM_OK && !util_touch_stack(s->options.lock_memory)) status = util_lock_failed(UTIL_STACK_BYTES, err);
    util_fpmode_leave(mode);
    s->ran = false;
    return session_leave(s, status);
}

static clstm_status check_data(const clstm_session *s, clstm_error *err) {
    char name[128];
    for (size_t i = 0; i < s->model->n_in; i++)
        if (!s->constants[i] && s->pair_of[i] < 0 && s->inputs[i].kind == CLSTM_KIND_TENSOR && !s->inputs[i].tensor.data && clstm_tensor_count(&s->inputs[i].tensor))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\" has a shape but no data", util_escape(name, sizeof name, s->model->inputs[i].name));
    return CLSTM_OK;
}

clstm_status session_execute(clstm_session *s, clstm_error *err) {
    session_plan *p = s->current;
    UTIL_TRY(check_data(s, err));
    util_pool_enter(s->pool);
    clstm_status status = in_file(s, plan_run(p->plan, p->views, err), err);
    util_pool_leave(s->pool);
    atomic_store_explicit(&s->cancel, false, memory_order_relaxed);
    if (status == CLSTM_OK) status = copy_outputs(s, p->plan, err);
    s->last = p;
    return status;
}

clstm_status clstm_session_run(clstm_session *s, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    util_fpmode mode = util_fpmode_enter();
    s->ran = false;
    clstm_status status = session_choose_plan(s, !s->options.realtime, err);
    if (status == CLSTM_OK) status = session_enter_state(s, s->current, err);
    if (status == CLSTM_OK) status = session_execute(s, err);
    if (status == CLSTM_OK) status = session_leave_state(s->current, session_state(s), err);
    s->ran = status == CLSTM_OK;
    util_fpmode_leave(mode);
    return session_leave(s, status);
}

void clstm_session_cancel(clstm_session *s) { atomic_store_explicit(&s->cancel, true, memory_order_relaxed); }
