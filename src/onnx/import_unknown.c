/* onnx/import_unknown: a model is refused at the first operator that has no row; the others that have none are named with it, so that
 * one look tells all that is missing. */
#include "onnx/import_internal.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 12 };

typedef struct census {
    importer *im;
    const onnx_call *call;                  /* whose imports count */
    const Onnx__NodeProto *shown[SHOWN];
    size_t n;
    bool more;
} census;

static bool same_operator(const Onnx__NodeProto *a, const Onnx__NodeProto *b) {
    return !strcmp(onnx_text_of(a->op_type), onnx_text_of(b->op_type)) && !strcmp(onnx_domain(a->domain), onnx_domain(b->domain));
}

static void count(census *c, const Onnx__NodeProto *np) {
    const int version = onnx_version(c->call, onnx_domain(np->domain));
    bool known;
    if (!version || onnx_function_find(c->im, np) || same_operator(np, c->im->unknown)) return;
    if (c->im->lookup(c->im->lookup_user, onnx_domain(np->domain), onnx_text_of(np->op_type), version, &known)) return;
    for (size_t i = 0; i < c->n; i++)
        if (same_operator(np, c->shown[i])) return;
    if (c->n < SHOWN) c->shown[c->n++] = np;
    else c->more = true;
}

/* Bodies included; how deep they nest is limited before a model is unpacked. */
static void count_all(census *c, Onnx__NodeProto *const *nodes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const Onnx__NodeProto *np = nodes[i];
        count(c, np);
        for (size_t k = 0; k < np->n_attribute; k++) {
            const Onnx__AttributeProto *a = np->attribute[k];
            if (a->g) count_all(c, a->g->node, a->g->n_node);
            for (size_t g = 0; g < a->n_graphs; g++) count_all(c, a->graphs[g]->node, a->graphs[g]->n_node);
        }
    }
}

clstm_status onnx_unknown_others(importer *im, const onnx_call *root, clstm_status s) {
    census c = {.im = im, .call = root};
    char list[640] = "", name[64], domain[64];
    count_all(&c, im->model->graph->node, im->model->graph->n_node);
    for (size_t i = 0; i < im->model->n_functions; i++) {
        const Onnx__FunctionProto *f = im->model->functions[i];
        const onnx_call inside = {.imports = f->opset_import, .n_imports = f->n_opset_import};
        c.call = &inside;
        count_all(&c, f->node, f->n_node);
    }
    if (!c.n || !im->err) return s;
    size_t used = 0;
    for (size_t i = 0; i < c.n && used + 140 < sizeof list; i++) {
        const char *d = onnx_domain(c.shown[i]->domain);
        util_escape(name, sizeof name, c.shown[i]->op_type);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s%s%s", i ? ", " : "", *d ? util_escape(domain, sizeof domain, d) : "", *d ? "." : "", name);
    }
    const clstm_error first = *im->err;
    return util_fail(im->err, s, "%s; neither %s %s%s", first.message, c.n > 1 ? "are" : "is", list, c.more ? " and others" : "");
}
