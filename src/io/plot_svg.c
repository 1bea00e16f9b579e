/* io/plot_svg: figures as SVG, drawn with plain shapes and text so that every viewer shows them alike; a large
 * heat map, which would be thousands of shapes, is a picture of one pixel a cell. */
#include "io/plot_svg.h"

#include "io/plot_image.h"
#include "util/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 72, RIGHT = 24, LINE_HEIGHT = 340, HEAT_HEIGHT = 150, HEAD = 54, PANEL_HEAD = 30, PANEL_FOOT = 46, FOOT = 14,
       LEGEND_ROW = 22, MAX_CELLS_X = 440, MAX_CELLS_Y = 128, MAX_POINTS = 4000, MAX_SHAPES = 1024 };

static const char *const colours[] = {"#0b6fb8", "#d9480f", "#2b8a3e", "#862e9c", "#b8860b", "#0c8599", "#c2255c", "#495057"};
enum { N_COLOURS = sizeof colours / sizeof *colours };

typedef struct axis { double low, high, step; } axis;      /* ticks at multiples of step */
typedef struct frame { double x, y, w, h; axis ax, ay; } frame;

/* Round numbers around [low, high], about `wanted` ticks; `tight` keeps the ends as they are. */
static axis axis_make(double low, double high, int wanted, bool tight) {
    if (!(low < high)) {
        double d = low == 0 || !isfinite(low) ? 1 : fabs(low) * 0.1;
        low = isfinite(low) ? low - d : 0;
        high = low + 2 * d;
    }
    double rough = (high - low) / wanted, power = pow(10, floor(log10(rough))), m = rough / power;
    axis a = {low, high, (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10) * power};
    if (!tight) {
        a.low = floor(low / a.step + 1e-9) * a.step;
        a.high = ceil(high / a.step - 1e-9) * a.step;
    }
    return a;
}

static double px(const frame *f, double x) { return f->x + (x - f->ax.low) / (f->ax.high - f->ax.low) * f->w; }
static double py(const frame *f, double y) { return f->y + f->h - (y - f->ay.low) / (f->ay.high - f->ay.low) * f->h; }

static void text(io_buffer *b, double x, double y, const char *anchor, const char *style, const char *words) {
    io_putf(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchor, style);
    io_put_xml(b, words);
    io_puts(b, "</text>\n");
}

static void tick_text(char *out, size_t size, double v, double step) {
    if (fabs(v) < step * 1e-9) v = 0;
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    if (decimals <= 6 && fabs(v) < 1e7) snprintf(out, size, "%.*f", decimals, v);
    else snprintf(out, size, "%.4g", v);
}

static void draw_x_ticks(io_buffer *b, const frame *f, bool grid) {
    char word[40];
    for (double k = ceil(f->ax.low / f->ax.step - 1e-9); k * f->ax.step <= f->ax.high + f->ax.step * 1e-9; k++) {
        double x = px(f, k * f->ax.step);
        if (grid) io_putf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#edf0f2\"/>\n", x, f->y, x, f->y + f->h);
        tick_text(word, sizeof word, k * f->ax.step, f->ax.step);
        text(b, x, f->y + f->h + 17, "middle", "class=\"t\"", word);
    }
}

static void draw_y_ticks(io_buffer *b, const frame *f) {
    char word[40];
    for (double k = ceil(f->ay.low / f->ay.step - 1e-9); k * f->ay.step <= f->ay.high + f->ay.step * 1e-9; k++) {
        double y = py(f, k * f->ay.step);
        io_putf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#e3e7ea\"/>\n", f->x, y, f->x + f->w, y);
        tick_text(word, sizeof word, k * f->ay.step, f->ay.step);
        text(b, f->x - 8, y + 4, "end", "class=\"t\"", word);
    }
}

static void draw_labels(io_buffer *b, const frame *f, const io_panel *p) {
    char style[128];
    if (p->title) text(b, f->x, f->y - 10, "start", "class=\"p\"", p->title);
    if (p->x_label) text(b, f->x + f->w / 2, f->y + f->h + 36, "middle", "class=\"a\"", p->x_label);
    if (!p->y_label) return;
    snprintf(style, sizeof style, "class=\"a\" transform=\"rotate(-90 18 %.1f)\"", f->y + f->h / 2);
    text(b, 18, f->y + f->h / 2, "middle", style, p->y_label);
}

/* ---- lines -------------------------------------------------------------------------------------------------------------- */

static const char *line_colour(const io_line *l, size_t index) { return l->faint ? "#868e96" : colours[index % N_COLOURS]; }

/* The index of line i among those that take a colour of their own. */
static size_t colour_index(const io_panel *p, size_t i) {
    size_t k = 0;
    for (size_t j = 0; j < i; j++) k += !p->lines[j].faint;
    return k;
}

static void draw_line(io_buffer *b, const frame *f, const io_line *l, const char *colour) {
    bool open = false;
    /* More points than pixels make files large and pictures slow: every so many-th is enough. */
    size_t stride = l->count / MAX_POINTS + 1;
    io_putf(b, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" stroke-linejoin=\"round\" stroke-linecap=\"round\"%s d=\"", colour,
            l->faint ? "1.4" : "2.2", l->dashed ? " stroke-dasharray=\"6 5\"" : "");
    for (size_t i = 0; i < l->count; i += stride) {
        if (!isfinite(l->y[i])) { open = false; continue; }
        io_putf(b, "%s%.1f %.1f", open ? "L" : "M", px(f, l->x0 + (double)i), py(f, l->y[i]));
        open = true;
    }
    io_puts(b, "\"/>\n");
    for (size_t i = 0; l->count <= 60 && !l->faint && i < l->count; i++)
        if (isfinite(l->y[i])) io_putf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.4\" fill=\"%s\"/>\n", px(f, l->x0 + (double)i), py(f, l->y[i]), colour);
}

/* Labels in rows above the panel; returns the height they took. */
static double draw_legend(io_buffer *b, double x, double y, const io_panel *p, bool draw) {
    double at = x, row = 0;
    for (size_t i = 0; i < p->n_lines; i++) {
        if (!p->lines[i].label) continue;
        double w = 46 + 7.2 * (double)strlen(p->lines[i].label);
        if (at > x && at + w > WIDTH - RIGHT) { at = x; row++; }
        if (draw) {
            double ly = y + row * LEGEND_ROW;
            io_putf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%s\"%s/>\n", at, ly - 4, at + 24, ly - 4,
                    line_colour(&p->lines[i], colour_index(p, i)), p->lines[i].faint ? "1.4" : "2.6", p->lines[i].dashed ? " stroke-dasharray=\"6 5\"" : "");
            text(b, at + 30, ly, "start", "class=\"t\"", p->lines[i].label);
        }
        at += w;
    }
    return at > x || row > 0 ? (row + 1) * LEGEND_ROW : 0;
}

static void span_of(const io_panel *p, double *x0, double *x1, double *y0, double *y1) {
    *x0 = *y0 = INFINITY;
    *x1 = *y1 = -INFINITY;
    for (size_t i = 0; i < p->n_lines; i++) {
        const io_line *l = &p->lines[i];
        if (!l->count) continue;
        *x0 = fmin(*x0, l->x0);
        *x1 = fmax(*x1, l->x0 + (double)l->count - 1);
        for (size_t k = 0; k < l->count; k++)
            if (isfinite(l->y[k])) { *y0 = fmin(*y0, l->y[k]); *y1 = fmax(*y1, l->y[k]); }
    }
    if (!isfinite(*x0)) { *x0 = 0; *x1 = 1; }
    if (!isfinite(*y0)) { *y0 = 0; *y1 = 1; }
}

static void draw_lines(io_buffer *b, frame *f, const io_panel *p) {
    double x0, x1, y0, y1;
    span_of(p, &x0, &x1, &y0, &y1);
    f->ax = axis_make(x0, x1, 10, true);
    f->ay = axis_make(y0, y1, 6, false);
    draw_x_ticks(b, f, true);
    draw_y_ticks(b, f);
    if (p->marked)
        io_putf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#adb5bd\" stroke-dasharray=\"3 3\"/>\n", px(f, p->mark_x), f->y, px(f, p->mark_x), f->y + f->h);
    io_putf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#868e96\"/>\n", f->x, f->y + f->h, f->x + f->w, f->y + f->h);
    for (size_t i = 0; i < p->n_lines; i++) draw_line(b, f, &p->lines[i], line_colour(&p->lines[i], colour_index(p, i)));
}

/* ---- heat maps ------------------------------------------------------------------------------------------------------------ */

/* Dark blue over white to dark red, where 0 stays white when the range is symmetric; or white to dark blue. */
static void heat_colour(const io_panel *p, double s, uint8_t c[3]) {
    static const double two[5][3] = {{24, 58, 112}, {93, 153, 198}, {247, 247, 247}, {226, 125, 90}, {140, 22, 34}};
    static const double one[5][3] = {{250, 250, 247}, {191, 214, 230}, {115, 168, 208}, {42, 108, 165}, {12, 44, 92}};
    const double (*stops)[3] = p->one_sided ? one : two;
    int k = s >= 4 ? 3 : (int)s;
    for (int i = 0; i < 3; i++) c[i] = (uint8_t)lround(stops[k][i] + (stops[k + 1][i] - stops[k][i]) * (s - k));
}

/* The picture's 256 colours: 0 for what is no number, then LEVELS from low to high, an odd number so that one is the middle. */
enum { LEVELS = 255 };
static void heat_palette(const io_panel *p, uint8_t palette[256][3]) {
    memset(palette[0], 0xd9, 3);
    for (int i = 0; i < LEVELS; i++) heat_colour(p, 4.0 * i / (LEVELS - 1), palette[1 + i]);
}
static uint8_t heat_index(const io_panel *p, double v) {
    if (!isfinite(v)) return 0;
    double s = p->high > p->low ? (v - p->low) / (p->high - p->low) : 0.5;
    return (uint8_t)(1 + lround((s < 0 ? 0 : s > 1 ? 1 : s) * (LEVELS - 1)));
}

/* The mean of a block of cells that shares one pixel. */
static double block_mean(const io_panel *p, size_t r0, size_t r1, size_t c0, size_t c1) {
    double sum = 0;
    for (size_t r = r0; r < r1; r++)
        for (size_t c = c0; c < c1; c++) sum += p->cells[r * p->columns + c];
    return sum / (double)((r1 - r0) * (c1 - c0));
}

static double three_digits(double v) {
    double unit = v != 0 ? pow(10, floor(log10(fabs(v))) - 2) : 1;
    return round(v / unit) * unit;
}

static void draw_scale(io_buffer *b, const frame *f, const io_panel *p) {
    char word[40];
    uint8_t c[3];
    double x = f->x + f->w - 190;
    for (int i = 0; i < 40; i++) {
        heat_colour(p, 4.0 * i / 39, c);
        io_putf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"3.2\" height=\"9\" fill=\"#%02x%02x%02x\"/>\n", x + 30 + 3 * i, f->y - 18, c[0], c[1], c[2]);
    }
    /* three digits: more would not be seen in a colour */
    text(b, x + 26, f->y - 10, "end", "class=\"t\"", io_real_text(word, sizeof word, three_digits(p->low)));
    text(b, x + 156, f->y - 10, "start", "class=\"t\"", io_real_text(word, sizeof word, three_digits(p->high)));
}

/* Numbers of rows, row 0 on top, beside their middles. */
static void draw_rows(io_buffer *b, const frame *f, const io_panel *p) {
    char word[40];
    double step = fmax(1, axis_make(0, (double)p->rows, 8, true).step);
    for (double row = 0; row < (double)p->rows; row += step) {
        snprintf(word, sizeof word, "%.0f", row);
        text(b, f->x - 8, f->y + f->h * (row + 0.5) / (double)p->rows + 4, "end", "class=\"t\"", word);
    }
}

/* Cells as shapes, in units of a cell; neighbours of one colour share one. */
static void draw_cells(io_buffer *b, const frame *f, const uint8_t *pixels, size_t nx, size_t ny, const uint8_t palette[256][3]) {
    io_putf(b, "<g shape-rendering=\"crispEdges\" transform=\"translate(%.1f %.1f) scale(%.4f %.4f)\">\n", f->x, f->y, f->w / (double)nx, f->h / (double)ny);
    for (size_t r = 0; r < ny; r++)
        for (size_t c = 0, end; c < nx; c = end) {
            uint8_t i = pixels[r * nx + c];
            for (end = c + 1; end < nx && pixels[r * nx + end] == i; end++) continue;
            io_putf(b, "<path d=\"M%zu %zuh%zuv1H%zuz\" fill=\"#%02x%02x%02x\"/>\n", c, r, end - c, c, palette[i][0], palette[i][1], palette[i][2]);
        }
    io_puts(b, "</g>\n");
}

/* Viewers that know neither of the two words smooth between cells, which are then a few screen pixels wide. */
static void draw_picture(io_buffer *b, const frame *f, const uint8_t *pixels, size_t nx, size_t ny, const uint8_t palette[256][3]) {
    io_putf(b, "<image x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" "
               "style=\"image-rendering:pixelated\" href=\"", f->x, f->y, f->w, f->h);
    io_put_image(b, pixels, nx, ny, palette);
    io_puts(b, "\"/>\n");
}

static void draw_heat(io_buffer *b, frame *f, const io_panel *p) {
    size_t nx = p->columns < MAX_CELLS_X ? p->columns : MAX_CELLS_X, ny = p->rows < MAX_CELLS_Y ? p->rows : MAX_CELLS_Y;
    uint8_t pixels[MAX_CELLS_X * MAX_CELLS_Y], palette[256][3];
    f->ax = axis_make(0, (double)p->columns, 10, true);
    for (size_t r = 0; r < ny; r++)
        for (size_t c = 0; c < nx; c++)
            pixels[r * nx + c] = heat_index(p, block_mean(p, r * p->rows / ny, (r + 1) * p->rows / ny, c * p->columns / nx, (c + 1) * p->columns / nx));
    heat_palette(p, palette);
    if (nx * ny <= MAX_SHAPES) draw_cells(b, f, pixels, nx, ny, (const uint8_t (*)[3])palette);
    else draw_picture(b, f, pixels, nx, ny, (const uint8_t (*)[3])palette);
    io_putf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"#adb5bd\"/>\n", f->x, f->y, f->w, f->h);
    draw_x_ticks(b, f, false);
    draw_rows(b, f, p);
    draw_scale(b, f, p);
}

/* ---- figure ------------------------------------------------------------------------------------------------------------- */

clstm_status io_figure_svg(const char *title, const char *caption, const io_panel *panels, size_t count, io_buffer *out, clstm_error *err) {
    double height = HEAD + (caption ? 20 : 0), y;
    for (size_t i = 0; i < count; i++)
        height += PANEL_HEAD + PANEL_FOOT + (panels[i].cells ? HEAT_HEIGHT : LINE_HEIGHT + draw_legend(out, LEFT, 0, &panels[i], false));
    height += FOOT;
    io_putf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n", WIDTH, height, WIDTH, height);
    io_puts(out, "<style>text{font-family:'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#343a40}.h{font-size:20px;font-weight:600}"
                 ".c{font-size:13px;fill:#6c757d}.p{font-size:14px;font-weight:600}.a{font-size:13px;fill:#495057}.t{font-size:12px;fill:#495057}</style>\n");
    io_putf(out, "<rect width=\"%d\" height=\"%.0f\" fill=\"#ffffff\"/>\n", WIDTH, height);
    text(out, LEFT, 34, "start", "class=\"h\"", title);
    if (caption) text(out, LEFT, 55, "start", "class=\"c\"", caption);
    y = HEAD + (caption ? 20 : 0);
    for (size_t i = 0; i < count; i++) {
        const io_panel *p = &panels[i];
        if (!p->cells) y += draw_legend(out, LEFT, y + 6, p, true);
        frame f = {LEFT, y + (p->title || p->cells ? PANEL_HEAD : PANEL_HEAD / 2), WIDTH - LEFT - RIGHT, p->cells ? HEAT_HEIGHT : LINE_HEIGHT, {0, 1, 1}, {0, 1, 1}};
        if (p->cells) draw_heat(out, &f, p);
        else draw_lines(out, &f, p);
        draw_labels(out, &f, p);
        y += PANEL_HEAD + PANEL_FOOT + f.h;
    }
    io_puts(out, "</svg>\n");
    return out->failed ? util_no_memory(err) : CLSTM_OK;
}
