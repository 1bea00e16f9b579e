/* onnx/import: the bytes of a model file become a graph of ours. */
#ifndef ONNX_IMPORT_H
#define ONNX_IMPORT_H

#include "ir/graph.h"
#include "ir/op.h"

typedef struct onnx_source {
    const unsigned char *bytes;             /* must stay until every constant of the graph is owned (plan_settle_constants) */
    size_t size;
    const char *directory;                  /* where external data may lie; NULL refuses it */
    const char *name;                       /* the file's name for messages */
    const char *path;                       /* the file itself, NULL when from memory: a link may lead to where external data lies */
    const clstm_limits *limits;
    void (*warning)(void *user, const char *message);   /* may be NULL */
    void *warning_user;
} onnx_source;

typedef struct onnx_text { const char *key, *value; } onnx_text;

/* Strings and lists live in the graph's arena. */
typedef struct onnx_model {
    ir_graph *graph;                        /* root; inputs are those without an initialiser */
    int64_t ir_version, opset;
    const char *producer, *producer_version;
    int64_t parameters;                     /* elements of all initialisers */
    size_t nodes;                           /* bodies included, before functions are inlined */
    onnx_text *metadata;
    size_t n_metadata;
    void *external;                         /* external files mapped while loading; onnx_import_done releases them */
} onnx_model;

/* Imports src. On failure nothing is left in *out. Errors: CLSTM_BAD_MODEL, _UNSUPPORTED, _LIMIT, _IO, _NO_MEMORY. */
clstm_status onnx_import(const onnx_source *src, op_lookup lookup, void *user, onnx_model *out, clstm_error *err);
/* After plan_settle_constants: CLSTM_IO when a file of external data was changed meanwhile. */
clstm_status onnx_import_check(const onnx_model *model, clstm_error *err);
/* After that: unmaps external data. The graph stays with the caller. */
void onnx_import_done(onnx_model *model);

#endif
