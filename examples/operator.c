/* A model with an operator that no standard names: MuLaw of domain "example.audio", which bends samples as telephony does,
 *     y = sign(x) * ln(1 + mu*|x|) / ln(1 + mu)          mu: attribute, 255 when it is left out
 * The program describes it by a row and hands the set to the loader. Numbers of stdin go in as [N], the answer comes out.
 *   cc operator.c $(pkg-config --cflags --libs clstm) -lm && ./a.out examples/mu_law.onnx < models/sunspots/input.csv */
#include <clstm/clstm.h>
#include <math.h>
#include <stdio.h>

/* What prepare works out once for a plan. */
typedef struct curve { float mu, scale; } curve;

static clstm_status check(clstm_call *call)
{
    if (!(clstm_call_float(call, "mu") > 0))
        return clstm_call_fail(call, CLSTM_BAD_MODEL, "attribute mu is %g, expected more than 0", (double)clstm_call_float(call, "mu"));
    return CLSTM_OK;
}

static clstm_status infer(clstm_call *call)
{
    const clstm_tensor *x = clstm_call_input(call, 0);
    return clstm_call_set_output(call, 0, x->type, x->rank, x->dims);
}

static clstm_status prepare(clstm_call *call)
{
    curve *c = clstm_call_keep(call, sizeof *c);
    if (!c)
        return CLSTM_NO_MEMORY;
    c->mu = clstm_call_float(call, "mu");
    c->scale = 1 / log1pf(c->mu);
    return CLSTM_OK;
}

static clstm_status run(clstm_call *call)
{
    const curve *c = clstm_call_kept(call);
    const clstm_tensor *x = clstm_call_input(call, 0), *y = clstm_call_output(call, 0);
    const float *from = x->data;
    float *to = y->data;
    for (int64_t i = 0, n = clstm_tensor_count(x); i < n; i++)
        to[i] = copysignf(log1pf(c->mu * fabsf(from[i])) * c->scale, from[i]);
    return CLSTM_OK;
}

static const clstm_operator_row mu_law = {
    .domain = "example.audio", .name = "MuLaw", .since = 1,
    .inputs = "X:float", .outputs = "Y:float", .attributes = "mu:f=255",
    .flags = CLSTM_OPERATOR_PURE | CLSTM_OPERATOR_POINTWISE | CLSTM_OPERATOR_IN_PLACE,
    .check = check, .infer = infer, .prepare = prepare, .run = run,
};

int main(int argc, char **argv)
{
    static float numbers[65536];
    int64_t count = 0;
    clstm_error err = {0};
    clstm_operators *operators = NULL;
    clstm_model_options options = {0};
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    if (argc != 2)
        return 2;
    while (count < 65536 && scanf("%f", &numbers[count]) == 1)
        count++;
    clstm_tensor input = clstm_tensor_view(CLSTM_FLOAT, 1, &count, numbers);
    if (clstm_operators_create(&operators, &err) == CLSTM_OK && clstm_register_operator(operators, &mu_law, &err) == CLSTM_OK) {
        options.operators = operators;
        if (clstm_model_load(argv[1], &options, &model, &err) == CLSTM_OK && clstm_session_create(model, NULL, &session, &err) == CLSTM_OK &&
            clstm_session_set_input(session, 0, &input, &err) == CLSTM_OK && clstm_session_run(session, &err) == CLSTM_OK) {
            const clstm_tensor *output = &clstm_session_output(session, 0)->tensor;
            for (int64_t i = 0; i < clstm_tensor_count(output); i++)
                printf("%.6g\n", (double)((const float *)output->data)[i]);
        }
    }
    if (err.status != CLSTM_OK)
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    clstm_operators_destroy(operators);
    return err.status == CLSTM_OK ? 0 : 3;
}
