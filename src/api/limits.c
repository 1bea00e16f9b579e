/* api/limits: the named limits and their defaults. */
#include "api/api_internal.h"

#include <string.h>

static const struct { const char *name; int64_t value; const char *help; } table[CLSTM_LIMIT_COUNT] = {
    [CLSTM_LIMIT_FILE_BYTES] = {"file-bytes", (int64_t)4 << 30, "size of the model file, and of each external data file"},
    [CLSTM_LIMIT_MESSAGE_DEPTH] = {"message-depth", 100, "nesting of messages in the file"},
    [CLSTM_LIMIT_MESSAGES] = {"messages", 1000000, "messages in the file, texts of lists included"},
    [CLSTM_LIMIT_NODES] = {"nodes", 200000, "nodes, bodies and inlined functions included"},
    [CLSTM_LIMIT_TENSORS] = {"tensors", 200000, "tensors stored in the file"},
    [CLSTM_LIMIT_RANK] = {"rank", CLSTM_MAX_RANK, "dimensions of a tensor"},
    [CLSTM_LIMIT_ELEMENTS] = {"elements", (int64_t)1 << 30, "elements of one tensor"},
    [CLSTM_LIMIT_STRING_BYTES] = {"string-bytes", 1 << 20, "bytes of one name or string"},
    [CLSTM_LIMIT_SUBGRAPH_DEPTH] = {"subgraph-depth", 16, "nesting of If, Loop and Scan bodies"},
    [CLSTM_LIMIT_FUNCTION_DEPTH] = {"function-depth", 32, "nesting of calls of local functions"},
    [CLSTM_LIMIT_LOOP_TRIPS] = {"loop-trips", 10000000, "iterations of one Loop or Scan; 0: none"},
    [CLSTM_LIMIT_ARENA_BYTES] = {"arena-bytes", (int64_t)8 << 30, "memory of one plan"},
    [CLSTM_LIMIT_RUN_MILLISECONDS] = {"run-milliseconds", 0, "time of one run, looked at between the turns of Loop and Scan; 0: none"},
};

/* Products of a few sizes and of 32-bit attributes fit 64 bits when no tensor has more than 2^32 elements; where a size has 32 bits
 * itself, bytes fit it, and so does the scratch memory of nodes whose tensors have at most 2^26. */
static int64_t most_of(int which) {
    switch (which) {
    case CLSTM_LIMIT_RANK: return CLSTM_MAX_RANK;
    case CLSTM_LIMIT_ELEMENTS: return (int64_t)1 << (sizeof(size_t) > 4 ? 32 : 26);
    case CLSTM_LIMIT_FILE_BYTES:
    case CLSTM_LIMIT_ARENA_BYTES: return PTRDIFF_MAX;
    default: return INT64_MAX;
    }
}

static int64_t usual(int which) { return table[which].value < most_of(which) ? table[which].value : most_of(which); }

void clstm_limits_default(clstm_limits *limits) {
    for (int i = 0; i < CLSTM_LIMIT_COUNT; i++) limits->value[i] = usual(i);
}

bool clstm_limit_describe(int which, const char **name, int64_t *value, const char **help) {
    if (which < 0 || which >= CLSTM_LIMIT_COUNT) return false;
    *name = table[which].name;
    *value = usual(which);
    *help = table[which].help;
    return true;
}

static clstm_status check(int which, int64_t value, clstm_error *err) {
    int64_t most = most_of(which);
    if (value < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "limit %s: %lld is negative", table[which].name, (long long)value);
    return value <= most ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "limit %s: at most %lld", table[which].name, (long long)most);
}

clstm_status clstm_limits_set(clstm_limits *limits, const char *name, int64_t value, clstm_error *err) {
    char text[80];
    for (int i = 0; i < CLSTM_LIMIT_COUNT; i++) {
        if (strcmp(table[i].name, name)) continue;
        UTIL_TRY(check(i, value, err));
        limits->value[i] = value;
        return CLSTM_OK;
    }
    return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no limit \"%s\"", util_escape(text, sizeof text, name));
}

clstm_status api_limits_take(clstm_limits *to, const clstm_limits *from, clstm_error *err) {
    for (int i = 0; i < CLSTM_LIMIT_COUNT; i++) UTIL_TRY(check(i, from->value[i], err));
    *to = *from;
    return CLSTM_OK;
}
