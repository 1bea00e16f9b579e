/* io/plot_image: a picture of few colours as the text of a data: URI. PNG is the one raster format that every SVG viewer reads. */
#ifndef IO_PLOT_IMAGE_H
#define IO_PLOT_IMAGE_H

#include "io/buffer.h"

#include <stdint.h>

/* Appends "data:image/png;base64,..." of width x height pixels, rows from the top, each an index into 256 colours. */
void io_put_image(io_buffer *out, const uint8_t *pixels, size_t width, size_t height, const uint8_t palette[256][3]);

#endif
