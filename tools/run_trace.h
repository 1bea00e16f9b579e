/* run_trace: the gates and states of every recurrent layer, collected over a run or a stream, as arrays and as pictures. */
#ifndef TOOLS_RUN_TRACE_H
#define TOOLS_RUN_TRACE_H

#include <clstm/clstm.h>

typedef struct run_trace run_trace;

run_trace *run_trace_create(void);                  /* NULL without memory */
void run_trace_destroy(run_trace *trace);
/* What clstm_session_trace takes, with the trace as its user. */
void run_trace_step(void *trace, const clstm_trace_step *step);
/* To be called after each run: the next one continues the time axis. */
void run_trace_next(void *trace);
/* Arrays "LAYER.i", ".o", ".f", ".candidate", ".c", ".h" (LSTM), ".z", ".r", ".candidate", ".h" (GRU), ".h" (RNN), each
 * [steps, directions, batch, hidden] in double; NaN where a sequence was over. */
clstm_status run_trace_write(const run_trace *trace, const char *path, clstm_error *err);
/* Heat maps of the first batch row: hidden units down, time along. */
clstm_status run_trace_plot(const run_trace *trace, const char *title, const char *path, clstm_error *err);

#endif
