/* rnn/share: directions go to threads of their own; within a direction batch rows are shared out when they are enough (no meeting until
 * the end), else the panels of each step (a meeting after each, but every core keeps its own part of R in its own cache). */
#include "rnn/share.h"

/* Multiply-adds of a step below which a thread's share does not pay for the meeting at its end, and of a whole call below which it
 * does not pay to wake a sleeping thread; rows of a lane from which sharing out rows is as fast as sharing out panels, as long as the
 * weights of a step are not more than a core's own cache holds. A meeting takes as long as MEETING multiply-adds. */
enum { WORTH_SHARING = 40000, WORTH_WAKING = 300000, LANE_ROWS = 4, CORE_CACHE = 2 << 20, MEETING = 28000 };

static int common_divisor(int a, int b) { return b ? common_divisor(b, a % b) : a; }

/* Rows of a step's products, all directions and gates. */
static double units(const rnn_job *j) { return (double)(j->spec->directions * j->z.b * j->spec->gates * j->z.h); }

double rnn_work(const rnn_job *j) { return units(j) * (double)(j->z.h + j->z.i) * (double)j->z.t; }

void rnn_share_out(rnn_job *j, int threads) {
    int64_t d = j->spec->directions;
    double step = units(j) * (double)(j->z.h + (j->single ? j->z.i : 0));
    j->n_lanes = (int)d;
    j->parts = 1;
    if (threads < 2 || j->trace || step < WORTH_SHARING || rnn_work(j) < WORTH_WAKING) return;
    int64_t ways = threads / common_divisor(threads, (int)d);       /* of each direction */
    int64_t least = j->fused ? LANE_ROWS : 1, panels = (j->padded + j->panel_units - 1) / j->panel_units;
    double weights = step / (double)(d * j->z.b) * (double)j->real;
    j->together = true;
    if (j->z.b >= ways * least && (weights <= CORE_CACHE || !j->fused)) j->n_lanes = (int)(d * ways);
    else if (j->fused) {
        j->parts = (int)(ways < panels ? ways : panels);
        j->n_lanes = (int)d * j->parts;
    }
}

double rnn_shared_cost(const rnn_job *j) {
    double meetings = j->parts > 1 ? (double)j->z.t * rnn_lane_phases(j) : 0;
    return rnn_work(j) / (j->together ? j->n_lanes : 1) + meetings * MEETING;
}
