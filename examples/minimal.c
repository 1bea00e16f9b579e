/* The smallest whole program: runs MODEL on the numbers of stdin, given as [1, N, 1], and prints the first output.
 *   cc minimal.c $(pkg-config --cflags --libs clstm) && ./a.out models/sunspots/model.onnx < models/sunspots/input.csv */
#include <clstm/clstm.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    static float numbers[65536];
    int64_t shape[3] = {1, 0, 1};
    clstm_error err = {0};
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    if (argc != 2)
        return 2;
    while (shape[1] < 65536 && scanf("%f", &numbers[shape[1]]) == 1)
        shape[1]++;
    clstm_tensor input = clstm_tensor_view(CLSTM_FLOAT, 3, shape, numbers);
    if (clstm_model_load(argv[1], NULL, &model, &err) != CLSTM_OK ||
        clstm_session_create(model, NULL, &session, &err) != CLSTM_OK ||
        clstm_session_set_input(session, 0, &input, &err) != CLSTM_OK || clstm_session_run(session, &err) != CLSTM_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
    } else {
        const clstm_tensor *output = &clstm_session_output(session, 0)->tensor;
        for (int64_t i = 0; i < clstm_tensor_count(output); i++)
            printf("%g\n", (double)((const float *)output->data)[i]);
    }
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    return err.status == CLSTM_OK ? 0 : 3;
}
