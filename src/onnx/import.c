/* onnx/import: a model: unpacking within a budget, versions, metadata; its graph is import_graph.c's. */
#include "onnx/import.h"

#include "onnx/import_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_IR = 3, NEWEST_IR = ONNX__VERSION__IR_VERSION, NEWEST_OPSET = 28 };    /* the operator table follows the standard up to there */

/* ---- unpacking ------------------------------------------------------------------------------------------------------------ */

/* Everything that protobuf-c makes lies in one arena of at most `left` more bytes; nothing is freed singly. */
typedef struct budget { util_arena arena; size_t left; bool spent, no_memory; } budget;

static void *budget_alloc(void *data, size_t size) {
    budget *b = data;
    if (size > b->left) { b->spent = true; return NULL; }
    b->left -= size;
    void *p = util_arena_alloc(&b->arena, 1, size);
    b->no_memory |= !p;
    return p;
}
static void budget_free(void *data, void *block) { (void)data; (void)block; }

static clstm_status unpack(importer *im, budget *b) {
    /* Real models take up to 8 bytes for one of the copy; attributes without a name would take some 50. */
    b->left = ((size_t)1 << 20) + im->scan.size * 24;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, b};
    im->model = onnx__model_proto__unpack(&allocator, im->scan.size, im->scan.bytes);
    if (im->model) return CLSTM_OK;
    if (b->no_memory) return util_no_memory(im->err);
    if (b->spent) return util_fail(im->err, CLSTM_LIMIT, "the file's messages need too much memory (limit messages)");
    return util_fail(im->err, CLSTM_BAD_MODEL, "not a valid ONNX file: its messages cannot be read");
}

/* ---- versions ---------------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static void warn(const importer *im, const char *format, ...) {
    clstm_error line;
    va_list ap;
    if (!im->src->warning) return;
    va_start(ap, format);
    vsnprintf(line.message, sizeof line.message, format, ap);
    va_end(ap);
    im->src->warning(im->src->warning_user, line.message);
}

static clstm_status check_ir_version(importer *im) {
    const Onnx__ModelProto *m = im->model;
    const onnx_scan *scan = &im->scan;
    if (!m->has_ir_version) return util_fail(im->err, CLSTM_BAD_MODEL, "not an ONNX model: no ir_version");
    if (m->ir_version < OLDEST_IR)
        return util_fail(im->err, CLSTM_UNSUPPORTED, "IR version %lld is not supported (%d and newer are)", (long long)m->ir_version, OLDEST_IR);
    if (m->ir_version > NEWEST_IR) {
        if (scan->unknown_message)
            return util_fail(im->err, CLSTM_UNSUPPORTED, "IR version %lld: field %u of %s is not known", (long long)m->ir_version,
                             scan->unknown_field, scan->unknown_message);
        warn(im, "IR version %lld is newer than %d, the newest known", (long long)m->ir_version, NEWEST_IR);
    } else if (scan->unknown_message) {
        warn(im, "field %u of %s is not part of the standard and was ignored", scan->unknown_field, scan->unknown_message);
    }
    return CLSTM_OK;
}

static clstm_status check_imports(importer *im, Onnx__OperatorSetIdProto *const *list, size_t n) {
    char shown[96];
    if (n > 1000) return util_fail(im->err, CLSTM_UNSUPPORTED, "%zu operator sets are imported", n);
    for (size_t i = 0; i < n; i++) {
        const char *domain = onnx_domain(list[i]->domain);
        util_escape(shown, sizeof shown, domain);
        if (list[i]->version < 1 || list[i]->version > INT32_MAX)
            return util_fail(im->err, CLSTM_BAD_MODEL, "operator set \"%s\" is imported at version %lld", shown, (long long)list[i]->version);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(onnx_domain(list[k]->domain), domain) && list[k]->version != list[i]->version)
                return util_fail(im->err, CLSTM_BAD_MODEL, "operator set \"%s\" is imported at versions %lld and %lld", shown, (long long)list[k]->version,
                                 (long long)list[i]->version);
        if (!*domain && list == im->model->opset_import) im->out->opset = list[i]->version;
    }
    return CLSTM_OK;
}

static clstm_status check_versions(importer *im) {
    const Onnx__ModelProto *m = im->model;
    char shown[96];
    UTIL_TRY(check_ir_version(im));
    UTIL_TRY(check_imports(im, m->opset_import, m->n_opset_import));
    if (im->out->opset > NEWEST_OPSET) warn(im, "opset %lld is newer than %d, the newest known: operators that it changed are computed as before", (long long)im->out->opset, NEWEST_OPSET);
    for (size_t i = 0; i < m->n_functions; i++) {
        clstm_status s = check_imports(im, m->functions[i]->opset_import, m->functions[i]->n_opset_import);
        if (s != CLSTM_OK) return util_context(im->err, s, "function \"%s\"", util_escape(shown, sizeof shown, m->functions[i]->name));
    }
    return CLSTM_OK;
}

/* ---- the model ------------------------------------------------------------------------------------------------------------------ */

static clstm_status copy_facts(importer *im) {
    const Onnx__ModelProto *m = im->model;
    onnx_model *out = im->out;
    util_arena *arena = im->root->arena;
    out->ir_version = m->ir_version;
    out->producer = util_arena_strdup(arena, m->producer_name);
    out->producer_version = util_arena_strdup(arena, m->producer_version);
    out->metadata = util_arena_alloc(arena, m->n_metadata_props ? m->n_metadata_props : 1, sizeof *out->metadata);
    if (!out->producer || !out->producer_version || !out->metadata) return util_no_memory(im->err);
    for (size_t i = 0; i < m->n_metadata_props; i++) {
        onnx_text *t = &out->metadata[out->n_metadata++];
        t->key = util_arena_strdup(arena, m->metadata_props[i]->key);
        t->value = util_arena_strdup(arena, m->metadata_props[i]->value);
        if (!t->key || !t->value) return util_no_memory(im->err);
    }
    return CLSTM_OK;
}

static clstm_status import_model(importer *im, budget *b) {
    UTIL_TRY(onnx_prescan(im->src->bytes, im->src->size, im->src->limits, &im->scan, im->err));
    UTIL_TRY(unpack(im, b));
    UTIL_TRY(check_versions(im));
    const Onnx__ModelProto *m = im->model;
    if (!m->graph) return util_fail(im->err, CLSTM_BAD_MODEL, "the model has no graph");
    im->shared = util_calloc(im->scan.n_tensors, sizeof *im->shared);
    if (!im->shared) return util_no_memory(im->err);
    UTIL_TRY(ir_graph_new(NULL, m->graph->name, &im->root, im->err));
    im->root->opset = (int)im->out->opset;
    UTIL_TRY(copy_facts(im));
    UTIL_TRY(onnx_external_new(im->src->directory, im->src->path, im->limit[CLSTM_LIMIT_FILE_BYTES], &im->external, im->err));
    UTIL_TRY(onnx_functions_index(im));
    onnx_call call = {.imports = m->opset_import, .n_imports = m->n_opset_import};
    return onnx_import_root(im, m->graph, &call);
}

clstm_status onnx_import(const onnx_source *src, op_lookup lookup, void *user, onnx_model *out, clstm_error *err) {
    importer im = {.src = src, .limit = src->limits->value, .lookup = lookup, .lookup_user = user, .out = out, .err = err};
    budget b = {0};
    memset(out, 0, sizeof *out);
    clstm_status s = src->size ? import_model(&im, &b) : util_fail(err, CLSTM_BAD_MODEL, "the file is empty");
    for (size_t i = 0; im.shared && i < im.scan.n_tensors; i++) ir_const_unref(im.shared[i]);
    free(im.shared);
    onnx_scan_clear(&im.scan);
    util_arena_destroy(&b.arena);
    out->graph = im.root;
    out->external = im.external;
    if (s != CLSTM_OK) {
        onnx_import_done(out);
        ir_graph_destroy(im.root);
        memset(out, 0, sizeof *out);
    }
    return s;
}

clstm_status onnx_import_check(const onnx_model *model, clstm_error *err) {
    return model->external ? onnx_external_check(model->external, err) : CLSTM_OK;
}

void onnx_import_done(onnx_model *model) {
    onnx_external_close(model->external);
    model->external = NULL;
}
