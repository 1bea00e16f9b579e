/* ir/op_row: a row of the operator table: reading its texts, and holding nodes to them: arity, attributes, types. */
#include "ir/op.h"

#include "tensor/tensor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- signatures: "X:T W:T B?:T rest*:T" ---------------------------------------------------------------------------------- */

typedef struct param { const char *name, *type; int name_len, type_len; char mark; } param;   /* mark: 0 ? * + */

/* Reads the next parameter; NULL at the end. */
static const char *next_param(const char *s, param *p) {
    while (*s == ' ') s++;
    if (!*s) return NULL;
    p->name = s;
    p->name_len = (int)strcspn(s, "?*+: ");
    s += p->name_len;
    p->mark = *s == ':' || !*s ? 0 : *s++;
    p->type = *s == ':' ? ++s : s;
    p->type_len = (int)strcspn(s, " ");
    return s + p->type_len;
}

typedef struct arity { int min, max; } arity;      /* max -1: open */
static arity arity_of(const char *signature) {
    arity a = {0, 0};
    param p;
    for (const char *s = signature; (s = next_param(s, &p));) {
        if (p.mark == 0) a.min = ++a.max;
        else if (p.mark == '?') a.max++;
        else { if (p.mark == '+') a.min = a.max + 1; a.max = -1; }
    }
    return a;
}

/* ---- types ------------------------------------------------------------------------------------------------------------------ */

#define BIT(t) (1u << (t))
#define FLOATS (BIT(CLSTM_FLOAT) | BIT(CLSTM_DOUBLE) | BIT(CLSTM_FLOAT16) | BIT(CLSTM_BFLOAT16))
#define INTS (BIT(CLSTM_INT8) | BIT(CLSTM_INT16) | BIT(CLSTM_INT32) | BIT(CLSTM_INT64) | BIT(CLSTM_UINT8) | BIT(CLSTM_UINT16) | \
              BIT(CLSTM_UINT32) | BIT(CLSTM_UINT64))

static const struct { const char *name; uint32_t set; } groups[] = {
    {"float*", FLOATS}, {"int*", INTS}, {"num*", FLOATS | INTS}, {"all", FLOATS | INTS | BIT(CLSTM_BOOL)}};

/* Whether the n letters at s are `name`: most names differ in the first. */
static bool spells(const char *s, size_t n, const char *name) { return *s == *name && !strncmp(s, name, n) && !name[n]; }

/* The length of the word at s, which a comma or `end` ends. */
static size_t word_length(const char *s, const char *end) {
    const char *at = s;
    while (at < end && *at != ',') at++;
    return (size_t)(at - s);
}

/* Whether a comma-separated list of types and groups names t. */
static bool list_names(const char *s, int len, clstm_type t) {
    const char *name = clstm_type_name(t);
    for (const char *end = s + len; s < end;) {
        size_t n = word_length(s, end);
        if (spells(s, n, name)) return true;
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
            if (groups[i].set & BIT(t) && spells(s, n, groups[i].name)) return true;
        s += n + 1;
    }
    return false;
}

static bool is_type_or_group(const char *s, size_t n) {
    bool is = false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) is |= spells(s, n, groups[i].name);
    for (int t = CLSTM_FLOAT; t <= CLSTM_BFLOAT16; t++) is |= spells(s, n, clstm_type_name((clstm_type)t));
    return n && is;
}

static bool is_list(const char *s, int len) {
    const char *end = s + len;
    for (size_t n; s < end; s += n + 1) {
        n = word_length(s, end);
        if (!is_type_or_group(s, n)) return false;
    }
    return len > 0;
}

/* The list of variable `name` in "T=float,double I=int64", NULL when there is no such variable. */
static const char *variable(const char *types, const char *name, int len, int *list_len) {
    for (const char *s = types ? types : ""; *s;) {
        while (*s == ' ') s++;
        int whole = (int)strcspn(s, " ");
        if (!strncmp(s, name, (size_t)len) && s[len] == '=') { *list_len = whole - len - 1; return s + len + 1; }
        s += whole;
    }
    return NULL;
}

enum { MOST_VARIABLES = 8 };
typedef struct binding { const char *name; int len; clstm_type type; } binding;

/* Checks one value against one parameter and binds its variable. */
static clstm_status check_type(op_ctx *ctx, const param *p, const clstm_value *v, binding *bound, int *n_bound) {
    const char *type = p->type;
    int len = p->type_len;
    clstm_kind kind = CLSTM_KIND_TENSOR;
    if (len == 3 && !memcmp(type, "any", 3)) return CLSTM_OK;
    if (len > 5 && (!memcmp(type, "seq(", 4) || !memcmp(type, "opt(", 4))) {
        if (type[0] == 'o') return CLSTM_OK;
        kind = CLSTM_KIND_SEQUENCE;
        type += 4;
        len -= 5;
    }
    if (v->kind != kind)
        return op_bad_model(ctx, "input %.*s must be a %s", p->name_len, p->name, kind == CLSTM_KIND_SEQUENCE ? "sequence" : "tensor");
    if (kind == CLSTM_KIND_SEQUENCE && v->tensor.type == CLSTM_TYPE_NONE) return CLSTM_OK;
    int list_len = len;
    const char *list = variable(ctx->node->op->types, type, len, &list_len);
    if (!list_names(list ? list : type, list_len, v->tensor.type))
        return op_unsupported(ctx, "input %.*s has type %s, which is not among those supported", p->name_len, p->name,
                              clstm_type_name(v->tensor.type));
    if (!list) return CLSTM_OK;
    for (int i = 0; i < *n_bound; i++)
        if (bound[i].len == len && !memcmp(bound[i].name, type, (size_t)len)) {
            if (bound[i].type == v->tensor.type) return CLSTM_OK;
            return op_bad_model(ctx, "input %.*s has type %s, expected %s as the inputs before it", p->name_len, p->name,
                                clstm_type_name(v->tensor.type), clstm_type_name(bound[i].type));
        }
    if (*n_bound < MOST_VARIABLES) bound[(*n_bound)++] = (binding){type, len, v->tensor.type};
    return CLSTM_OK;
}

static clstm_status check_types(op_ctx *ctx) {
    binding bound[MOST_VARIABLES];
    int n_bound = 0, i = 0;
    param p;
    const char *s = next_param(ctx->node->op->inputs, &p);
    for (; s && i < ctx->n_in; i++) {
        if (op_has_in(ctx, i)) UTIL_TRY(check_type(ctx, &p, ctx->in[i], bound, &n_bound));
        if (p.mark != '*' && p.mark != '+') s = next_param(s, &p);
    }
    return CLSTM_OK;
}

clstm_status op_check_present(op_ctx *ctx) {
    char text[256];
    param p;
    const char *s = next_param(ctx->node->op->inputs, &p);
    for (int i = 0; s && i < ctx->n_in; i++) {
        bool may_lack = p.mark == '?' || (p.type_len == 3 && !memcmp(p.type, "any", 3)) || (p.type_len > 4 && !memcmp(p.type, "opt(", 4));
        if (ctx->in[i] && ctx->in[i]->kind == CLSTM_KIND_NONE && !may_lack)
            return util_context(ctx->err, op_bad_model(ctx, "input %.*s has no value", p.name_len, p.name), "%s", ir_node_text(text, sizeof text, ctx->node));
        if (p.mark != '*' && p.mark != '+') s = next_param(s, &p);
    }
    return CLSTM_OK;
}

/* The kinds and types of all inputs as one number, 0 when it has not room: passes infer every node again and again. */
static uint64_t types_of(const op_ctx *ctx) {
    uint64_t all = 1;
    if (ctx->n_in > 9) return 0;
    for (int i = 0; i < ctx->n_in; i++) all = all << 7 | (op_has_in(ctx, i) ? (uint64_t)ctx->in[i]->kind << 5 | ctx->in[i]->tensor.type : 0x7f);
    return all;
}

clstm_status op_infer(op_ctx *ctx) {
    char text[256];
    ir_node *n = (ir_node *)(uintptr_t)ctx->node;
    uint64_t types = types_of(ctx);
    clstm_status s = types && types == n->typed ? CLSTM_OK : check_types(ctx);
    if (s == CLSTM_OK) n->typed = types;
    if (s == CLSTM_OK) s = ctx->node->op->infer(ctx);
    if (s != CLSTM_OK && s != OP_DEFER) s = util_context(ctx->err, s, "%s", ir_node_text(text, sizeof text, ctx->node));
    return s;
}

/* ---- attributes: "axis:i=0 direction:s=forward value:t!" ------------------------------------------------------------------- */

typedef struct attr_row { const char *name; int len; char kind; bool required; const char *value; int value_len; } attr_row;

static const char *next_attr(const char *s, attr_row *a) {
    while (*s == ' ') s++;
    if (!*s) return NULL;
    a->name = s;
    a->len = (int)strcspn(s, ":");
    s += a->len + 1;
    a->kind = *s++;
    a->required = *s == '!';
    if (a->required) s++;
    a->value = *s == '=' ? ++s : NULL;
    a->value_len = (int)strcspn(s, " ");
    return s + a->value_len;
}

static bool find_row(const op_desc *op, const char *name, attr_row *a) {
    size_t len = strlen(name);
    for (const char *s = op->attrs ? op->attrs : ""; (s = next_attr(s, a));)
        if ((size_t)a->len == len && !memcmp(a->name, name, len)) return true;
    return false;
}

bool op_row_has_attr(const op_desc *row, const char *name) {
    attr_row a;
    return find_row(row, name, &a);
}

static clstm_status refuse_attr(const ir_attr *a, clstm_status status, const char *what, clstm_error *err) {
    char name[96];
    return util_fail(err, status, "attribute %s %s", util_escape(name, sizeof name, a->name), what);
}

static clstm_status check_attrs(ir_node *n, clstm_error *err) {
    attr_row a;
    for (int i = 0; i < n->n_attrs; i++) {
        const ir_attr *of = &n->attrs[i];
        if (!find_row(n->op, of->name, &a)) return refuse_attr(of, CLSTM_UNSUPPORTED, "is not supported", err);
        if (a.kind != (char)of->kind) return refuse_attr(of, CLSTM_BAD_MODEL, "has the wrong type", err);
        for (int k = 0; k < i; k++)
            if (!strcmp(n->attrs[k].name, of->name)) return refuse_attr(of, CLSTM_BAD_MODEL, "is given twice", err);
    }
    int bodies = 0;
    for (const char *s = n->op->attrs ? n->op->attrs : ""; (s = next_attr(s, &a));) {
        const ir_attr *given = NULL;
        for (int i = 0; i < n->n_attrs && !given; i++)
            if (!strncmp(n->attrs[i].name, a.name, (size_t)a.len) && !n->attrs[i].name[a.len]) given = &n->attrs[i];
        if (a.required && !given) return util_fail(err, CLSTM_BAD_MODEL, "attribute %.*s is missing", a.len, a.name);
        if (given && a.kind == IR_ATTR_GRAPH) {
            if (!n->bodies) n->bodies = util_arena_alloc(n->graph->arena, 4, sizeof *n->bodies);
            if (!n->bodies) return util_no_memory(err);
            if (bodies < 4) n->bodies[bodies++] = given->v.g;
        }
    }
    if (bodies) n->n_bodies = bodies;
    return CLSTM_OK;
}

static clstm_status check_arity(const ir_node *n, clstm_error *err) {
    arity in = arity_of(n->op->inputs), out = arity_of(n->op->outputs);
    param p;
    if (n->n_in < in.min || (in.max >= 0 && n->n_in > in.max))
        return util_fail(err, CLSTM_BAD_MODEL, "has %d inputs, expected %s%d", n->n_in, n->n_in < in.min ? "at least " : "at most ",
                         n->n_in < in.min ? in.min : in.max);
    if (out.max >= 0 && n->n_out > out.max)
        return util_fail(err, CLSTM_BAD_MODEL, "has %d outputs, expected at most %d", n->n_out, out.max);
    const char *s = next_param(n->op->inputs, &p);
    for (int i = 0; s && i < n->n_in; i++) {
        if ((p.mark == 0 || p.mark == '+') && !n->inputs[i])
            return util_fail(err, CLSTM_BAD_MODEL, "required input %.*s is missing", p.name_len, p.name);
        if (p.mark != '*' && p.mark != '+') s = next_param(s, &p);
    }
    s = next_param(n->op->outputs, &p);
    for (int i = 0; s && p.mark == 0; i++, s = next_param(s, &p))
        if (i >= n->n_out || !n->outputs[i]) return util_fail(err, CLSTM_BAD_MODEL, "required output %.*s is missing", p.name_len, p.name);
    return CLSTM_OK;
}

clstm_status op_check_node(ir_node *n, clstm_error *err) {
    char text[256];
    clstm_status s = check_arity(n, err);
    if (s == CLSTM_OK) s = check_attrs(n, err);
    if (s == CLSTM_OK && n->op->check) s = n->op->check(n, err);
    return s == CLSTM_OK ? s : util_context(err, s, "%s", ir_node_text(text, sizeof text, n));
}

/* Not strtod: the host program's locale must not change a default. */
static double decimal(const char *s, int len) {
    double m = 0, scale = 1;
    int exponent = 0, sign = 1;
    bool fraction = false, negative = *s == '-';
    for (int i = negative; i < len; i++) {
        if (s[i] == '.') fraction = true;
        else if (s[i] == 'e') { sign = s[i + 1] == '-' ? -1 : 1; exponent = atoi(s + i + 1 + (s[i + 1] == '-')); break; }
        else { m = m * 10 + (s[i] - '0'); if (fraction) scale *= 10; }
    }
    m /= scale;
    for (; exponent > 0; exponent--) m = sign > 0 ? m * 10 : m / 10;
    return negative ? -m : m;
}

int64_t op_attr_int(const ir_node *n, const char *name) {
    const ir_attr *given = ir_attr_find(n, name);
    attr_row a;
    if (given) return given->v.i;
    return find_row(n->op, name, &a) && a.value ? strtoll(a.value, NULL, 10) : 0;
}

float op_attr_float(const ir_node *n, const char *name) {
    const ir_attr *given = ir_attr_find(n, name);
    attr_row a;
    if (given) return given->v.f;
    return find_row(n->op, name, &a) && a.value ? (float)decimal(a.value, a.value_len) : 0.0f;
}

const char *op_attr_string(const ir_node *n, const char *name) {
    const ir_attr *given = ir_attr_find(n, name);
    attr_row a;
    if (given) return given->v.s;
    if (!find_row(n->op, name, &a) || !a.value) return NULL;
    return util_arena_strndup(n->graph->arena, a.value, (size_t)a.value_len);
}

const int64_t *op_attr_ints(const ir_node *n, const char *name, size_t *count) {
    const ir_attr *given = ir_attr_find(n, name);
    *count = given ? given->count : 0;
    return given ? given->v.ints : NULL;
}

int op_permuted(const ir_node *n, int rank, int d) {
    size_t count;
    const int64_t *perm = op_attr_ints(n, "perm", &count);
    if (!count) return rank - 1 - d;
    return (int)(perm[d] < 0 ? perm[d] + rank : perm[d]);
}

const float *op_attr_floats(const ir_node *n, const char *name, size_t *count) {
    const ir_attr *given = ir_attr_find(n, name);
    *count = given ? given->count : 0;
    return given ? given->v.floats : NULL;
}

bool op_attr_given(const ir_node *n, const char *name) { return ir_attr_find(n, name) != NULL; }

/* ---- is this a row? ------------------------------------------------------------------------------------------------------------ */

static bool is_word(const char *s, int len, const char *extra) {
    for (int i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr(extra, s[i])) return false;
    return len > 0;
}

static clstm_status check_signature(const op_desc *row, const char *signature, const char *what, clstm_error *err) {
    param p;
    bool last = false;
    for (const char *s = signature; (s = next_param(s, &p));) {
        const char *type = p.type;
        int len = p.type_len, list_len;
        if (last) return util_fail(err, CLSTM_BAD_ARGUMENT, "%s: only the last may be repeated", what);
        if (!is_word(p.name, p.name_len, "_") || (p.mark && p.name[p.name_len + 1] != ':'))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "%s: \"%.*s\" is not NAME:TYPE", what, (int)strcspn(p.name, " "), p.name);
        last = p.mark == '*' || p.mark == '+';
        if (len > 5 && (!memcmp(type, "seq(", 4) || !memcmp(type, "opt(", 4)) && type[len - 1] == ')') { type += 4; len -= 5; }
        if ((len != 3 || memcmp(type, "any", 3)) && !variable(row->types, type, len, &list_len) && !is_list(type, len))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "%s: %.*s has the type \"%.*s\", which is neither a type nor a variable", what, p.name_len, p.name, len, type);
    }
    return CLSTM_OK;
}

static clstm_status check_variables(const op_desc *row, clstm_error *err) {
    int count = 0;
    for (const char *s = row->types ? row->types : ""; *(s += strspn(s, " "));) {
        int whole = (int)strcspn(s, " "), name = (int)strcspn(s, "= ");
        if (!is_word(s, name, "_") || name == whole || !is_list(s + name + 1, whole - name - 1))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "types: \"%.*s\" is not VARIABLE=TYPE,TYPE...", whole, s);
        if (++count > MOST_VARIABLES) return util_fail(err, CLSTM_BAD_ARGUMENT, "types: more than %d variables", MOST_VARIABLES);
        s += whole;
    }
    return CLSTM_OK;
}

static bool is_default(const attr_row *a) {
    const char *v = a->value;
    if (a->kind == IR_ATTR_STRING) return a->value_len > 0;
    if (a->kind != IR_ATTR_INT && a->kind != IR_ATTR_FLOAT) return false;
    int sign = a->value_len > 0 && *v == '-', digits = (int)strspn(v + sign, "0123456789");
    return digits > 0 && (sign + digits == a->value_len || (a->kind == IR_ATTR_FLOAT && is_word(v + sign, a->value_len - sign, ".-")));
}

static clstm_status check_attr_rows(const op_desc *row, clstm_error *err) {
    attr_row a, other;
    for (const char *s = row->attrs ? row->attrs : ""; *(s += strspn(s, " "));) {
        int whole = (int)strcspn(s, " "), name = (int)strcspn(s, ": ");
        if (!is_word(s, name, "_") || name + 1 >= whole || !strchr("ifstgpIFSTGx", s[name + 1]) || (name + 2 < whole && !strchr("=!", s[name + 2])))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "attributes: \"%.*s\" is not NAME:KIND, NAME:KIND=DEFAULT or NAME:KIND!", whole, s);
        const char *end = next_attr(s, &a);
        if (a.value && (a.required || !is_default(&a))) return util_fail(err, CLSTM_BAD_ARGUMENT, "attributes: \"%.*s\" has a default that its kind cannot have", whole, s);
        for (const char *t = end; (t = next_attr(t, &other));)
            if (other.len == a.len && !memcmp(other.name, a.name, (size_t)a.len)) return util_fail(err, CLSTM_BAD_ARGUMENT, "attributes: %.*s is listed twice", a.len, a.name);
        s = end;
    }
    return CLSTM_OK;
}

clstm_status op_check_row(const op_desc *row, clstm_error *err) {
    if (!is_word(row->name, (int)strlen(row->name), "_.-")) return util_fail(err, CLSTM_BAD_ARGUMENT, "an operator's name is letters, digits and _.-");
    if (*row->domain && !is_word(row->domain, (int)strlen(row->domain), "_.-")) return util_fail(err, CLSTM_BAD_ARGUMENT, "a domain is letters, digits and _.-");
    if (row->since < 1 || (row->until && row->until < row->since)) return util_fail(err, CLSTM_BAD_ARGUMENT, "versions %d to %d", row->since, row->until);
    UTIL_TRY(check_variables(row, err));
    UTIL_TRY(check_signature(row, row->inputs, "inputs", err));
    UTIL_TRY(check_signature(row, row->outputs, "outputs", err));
    if (!*row->outputs) return util_fail(err, CLSTM_BAD_ARGUMENT, "outputs: there is none");
    UTIL_TRY(check_attr_rows(row, err));
    return row->infer && row->run ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "it has no infer or no run");
}
