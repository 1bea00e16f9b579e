/* feed: limits, CPU level and inputs for targets that run models. */
#include "feed.h"

#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES = 1 << 20, MOST_INPUTS = 16, UNKNOWN_DIM = 2 };

uint64_t feed_level(const uint8_t *data, size_t size)
{
    fuzz_random random = {size};
    for (size_t i = 0; i < size; i++)
        random.state = (random.state ^ data[i]) * UINT64_C(0x100000001b3);
    uint64_t drawn = fuzz_next(&random);
    kernel_table_cap((util_cpu_level)(drawn % (UTIL_CPU_AVX512 + 1)));
    return drawn >> 8;
}

void feed_limits(clstm_limits *limits)
{
    clstm_limits_default(limits);
    limits->value[CLSTM_LIMIT_ARENA_BYTES] = 32 << 20;
    limits->value[CLSTM_LIMIT_ELEMENTS] = 1 << 20;
    limits->value[CLSTM_LIMIT_LOOP_TRIPS] = 100;
}

bool feed_make(feed *f)
{
    f->memory = calloc(MOST_INPUTS, INPUT_BYTES);
    return f->memory != NULL;
}

void feed_free(feed *f)
{
    free(f->memory);
}

/* Floats in -2..2, none of which hides a wrong index behind another of its kind; small integers, which often are valid as
 * indices, axes and shapes. */
static void fill(const clstm_tensor *t, uint64_t pattern)
{
    int64_t count = clstm_tensor_count(t);
    size_t size = clstm_type_size(t->type);
    fuzz_random random = {pattern};
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = fuzz_next(&random);
        float f = (float)(int)(bits % 4001 - 2000) / 1000.0f;
        double d = f;
        unsigned char *to = (unsigned char *)t->data + (size_t)i * size;
        if (t->type == CLSTM_FLOAT) {
            memcpy(to, &f, sizeof f);
        } else if (t->type == CLSTM_DOUBLE) {
            memcpy(to, &d, sizeof d);
        } else {
            memset(to, 0, size);
            to[0] = (unsigned char)(bits % (t->type == CLSTM_BOOL ? 2 : 4));
        }
    }
}

clstm_status feed_run(feed *f, clstm_model *model, clstm_session *session, uint64_t pattern, clstm_error *err)
{
    size_t n = clstm_model_input_count(model);
    for (size_t i = 0; i < n && i < MOST_INPUTS; i++) {
        const clstm_port *port = clstm_model_input(model, i);
        if (port->kind != CLSTM_KIND_TENSOR || port->optional)
            continue;
        clstm_tensor input = port->tensor;
        for (int k = 0; k < input.rank; k++)
            if (input.dims[k] < 0)
                input.dims[k] = UNKNOWN_DIM;
        int64_t count = clstm_tensor_count(&input);
        if (count < 0 || count > INPUT_BYTES / 16)
            count = input.dims[0] = 0;      /* unknown rank or too large: refused, or empty */
        input.data = f->memory + i * INPUT_BYTES;
        if (input.rank >= 0 && input.type != CLSTM_STRING && pattern)
            fill(&input, pattern + i);
        clstm_status status = clstm_session_set_input(session, i, &input, err);
        if (status != CLSTM_OK)
            return status;
    }
    return clstm_session_run(session, err);
}
