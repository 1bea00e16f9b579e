/* inputs: from -i, --const, --data and --random to the values that a session runs on. */
#ifndef TOOLS_INPUTS_H
#define TOOLS_INPUTS_H

#include "tool.h"

typedef struct input {
    clstm_value value;
    clstm_tensor want;          /* declared shape with --shape and --dim put in */
    bool given, constant, random;
    bool carried;               /* a state that the session keeps: may be left out */
    bool streamed;              /* fed in pieces by somebody else, along this axis; at random so many steps */
    int stream_axis;
    int64_t stream_steps;
    char source[256];           /* for people: the file, "literal", "random" */
} input;

typedef struct inputs {
    input *items;
    size_t count;
    char unset[200];            /* the option that gives the first dimension which random values took to be 1; "" where all were known */
} inputs;

/* Space for every input of the model; applies --shape and --dim, then --const. Each returns -1 to go on or an exit code,
 * the message having been printed. */
int inputs_start(const tool *t, const clstm_model *model, inputs *in);
/* The arguments of all -i, names first. */
int inputs_give(const tool *t, const clstm_model *model, char *const *arguments, size_t count, inputs *in);
int inputs_from_data(const tool *t, const clstm_model *model, const char *dir, inputs *in);
/* Whether every input has a kind and rank that random numbers can fill. */
bool inputs_can_be_random(const tool *t, const clstm_model *model);
/* Fills what is missing from a seeded generator; unknown dimensions are those of given inputs of the same name, else 1. */
int inputs_randomise(const tool *t, const clstm_model *model, uint64_t seed, inputs *in);
/* Says which inputs are missing, exit code 2; -1 when none is. */
int inputs_complete(const tool *t, const clstm_model *model, const inputs *in);
/* Hands views of the values to the session. */
clstm_status inputs_apply(const inputs *in, clstm_session *session, clstm_error *err);
void inputs_free(inputs *in);

/* One line for every input: name, type, shape, and where its value comes from. */
void inputs_describe(const clstm_model *model, const inputs *in, FILE *out);
/* `"name" float[1,T,40]`, escaped. */
const char *port_text(char *out, size_t size, const clstm_port *port);

#endif
