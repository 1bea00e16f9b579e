/* Small models of one operator or a few, for the C emitter. */
#ifndef CLSTM_TESTS_OPERATOR_CASES_H
#define CLSTM_TESTS_OPERATOR_CASES_H

#include "../unit/onnx_build.h"

typedef struct operator_case {
    const char *name;
    int version;                            /* opset */
    const char *inputs, *outputs, *nodes;   /* as tests/unit/model_text.h has it */
    const char *bodies[12];                 /* inputs, outputs and nodes of up to four bodies, each named once, by the node or a body behind it */
    const char *ranges;                     /* "0..3,-2..1": of the elements of integer inputs, by input; 0..1 where it ends */
    bool loose, bad;                        /* float16 and bfloat16; the inputs are what no run may take */
    const char *refused;                    /* what the emitter must say */
} operator_case;
extern const operator_case operator_cases[];    /* up to one without a name */

/* The model's bytes; pb_free. */
pbuf operator_case_model(const operator_case *c);
/* Elements for input i from the state; free. */
void *operator_case_data(const operator_case *c, int i, const clstm_tensor *t, uint64_t *state);

#endif
