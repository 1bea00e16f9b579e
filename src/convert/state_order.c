/* convert/state_order: the order of a state_dict's modules. A file may list them in any order, so only sizes and numbers in names
 * count, and there must be one answer. */
#include "convert/state_dict.h"

#include "util/status.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct search {
    const convert_module *modules;
    size_t n, found;
    bool plain_first;
    convert_module now[CONVERT_MODULES], first[CONVERT_MODULES], second[CONVERT_MODULES];
    bool used[CONVERT_MODULES];
} search;

/* The names differ in one number, and a's is the smaller. */
static bool numbered_before(const char *a, const char *b, bool plain_first) {
    size_t i = 0;
    while (a[i] && a[i] == b[i]) i++;
    if (plain_first && !a[i] && b[i] == '_' && b[i + 1] && strspn(b + i + 1, "0123456789") == strlen(b + i + 1)) return true;
    while (i && a[i - 1] >= '0' && a[i - 1] <= '9') i--;
    char *after_a, *after_b;
    if (a[i] < '0' || a[i] > '9' || b[i] < '0' || b[i] > '9') return false;
    unsigned long x = strtoul(a + i, &after_a, 10), y = strtoul(b + i, &after_b, 10);
    return x < y && !strcmp(after_a, after_b);
}

static bool named_embedding(const char *name) {
    for (; *name; name++)
        if (!strncasecmp(name, "emb", 3)) return true;
    return false;
}

static void place(search *s, size_t at);

static void try_as(search *s, size_t at, size_t which, convert_kind kind) {
    convert_module m = s->modules[which];
    m.kind = kind;
    if (kind == CONVERT_EMBEDDING) { m.in = m.weight->dims[0]; m.out = m.weight->dims[1]; }
    if (at && (kind == CONVERT_EMBEDDING || s->now[at - 1].out != m.in)) return;
    /* What stands between two Linear is not known, and nothing would make one of them. */
    if (at && kind == CONVERT_LINEAR && s->now[at - 1].kind == CONVERT_LINEAR) return;
    s->now[at] = m;
    s->used[which] = true;
    place(s, at + 1);
    s->used[which] = false;
}

static void place(search *s, size_t at) {
    if (s->found > 1) return;
    if (at == s->n) {
        memcpy(s->found++ ? s->second : s->first, s->now, sizeof s->now);
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        bool waits = s->used[i];
        for (size_t k = 0; k < s->n; k++) waits |= !s->used[k] && numbered_before(s->modules[k].name, s->modules[i].name, s->plain_first);
        if (waits) continue;
        bool table = s->modules[i].kind == CONVERT_TABLE;
        if (table) try_as(s, at, i, CONVERT_EMBEDDING);
        if (!table || !named_embedding(s->modules[i].name)) try_as(s, at, i, table ? CONVERT_LINEAR : s->modules[i].kind);
    }
}

static size_t count_linear(const search *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) n += s->modules[i].kind == CONVERT_LINEAR || s->modules[i].kind == CONVERT_TABLE;
    return n;
}

clstm_status convert_dict_order(convert_dict *dict, clstm_error *err) {
    char a[128], b[128];
    search *s = util_calloc(1, sizeof *s);
    if (!s) return util_no_memory(err);
    s->modules = dict->modules;
    s->n = dict->n_modules;
    s->plain_first = dict->plain_first;
    place(s, 0);
    clstm_status status = CLSTM_OK;
    if (!s->found)
        status = util_fail(err, CLSTM_UNSUPPORTED, "module \"%s\" and the others fit in no order by their sizes%s", util_escape(a, sizeof a, s->modules[0].name),
                           count_linear(s) > 1 ? " (two Linear in a row are refused: what stands between them is not in the file)" : "");
    else if (s->found > 1) {
        size_t i = 0;
        while (i + 1 < s->n && s->first[i].kind == s->second[i].kind && s->first[i].name == s->second[i].name) i++;
        if (s->first[i].name == s->second[i].name)
            status = util_fail(err, CLSTM_UNSUPPORTED, "module \"%s\" may be a Linear or an Embedding", util_escape(a, sizeof a, s->first[i].name));
        else
            status = util_fail(err, CLSTM_UNSUPPORTED, "modules \"%s\" and \"%s\" fit in either order", util_escape(a, sizeof a, s->first[i].name), util_escape(b, sizeof b, s->second[i].name));
    } else memcpy(dict->modules, s->first, s->n * sizeof *s->first);
    free(s);
    return status;
}
