/* io/plot_svg: figures as SVG: panels above each other, each with lines over one axis or a heat map. */
#ifndef IO_PLOT_SVG_H
#define IO_PLOT_SVG_H

#include "io/buffer.h"

typedef struct io_line {
    const char *label;
    const double *y;            /* NaN and infinities leave a gap */
    size_t count;
    double x0;                  /* of y[0]; the step is 1 */
    bool dashed, faint;         /* what it is compared with; what went before */
} io_line;

typedef struct io_panel {
    const char *title, *x_label, *y_label;      /* may be NULL */
    const io_line *lines;
    size_t n_lines;
    double mark_x;              /* a vertical line here, when `marked` */
    bool marked;
    /* Instead of lines: rows x columns values, row 0 on top, columns along x; colours span low..high. */
    const double *cells;
    size_t rows, columns;
    double low, high;
    bool one_sided;             /* low is nothing, high is all: white to blue instead of blue over white to red */
} io_panel;

/* The whole figure, in pixels of width 960. */
clstm_status io_figure_svg(const char *title, const char *caption, const io_panel *panels, size_t count, io_buffer *out, clstm_error *err);

#endif
