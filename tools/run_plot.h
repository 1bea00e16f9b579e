/* run_plot: outputs of a run as a picture. */
#ifndef TOOLS_RUN_PLOT_H
#define TOOLS_RUN_PLOT_H

#include <clstm/clstm.h>

typedef struct run_plot_item {
    const char *name;
    const clstm_value *got, *expected;      /* expected may be NULL */
    const clstm_value *before;              /* an input that the output continues, NULL for none */
    const char *before_name;
    int64_t before_count;                   /* how many of its last steps to draw; 0: three times the output's */
} run_plot_item;

/* One panel an output: a few lines, or a heat map where there are many. Fails when no item can be drawn. */
clstm_status run_plot(const char *title, const run_plot_item *items, size_t count, const char *path, clstm_error *err);

#endif
