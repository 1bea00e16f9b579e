/* io/plot_image: PNG with uncompressed blocks, so that the bytes are the same with every zlib and without one. */
#include "io/plot_image.h"

#include <string.h>

enum { BLOCK = 65535 };                     /* the most that an uncompressed deflate block holds */

static void put_u32(io_buffer *b, uint32_t v) { io_put(b, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4); }

static uint32_t crc(const uint8_t *p, size_t size) {
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
    }
    return ~c;
}

static void put_chunk(io_buffer *png, const char *name, const void *data, size_t size) {
    put_u32(png, (uint32_t)size);
    size_t start = png->size;
    io_put(png, name, 4);
    io_put(png, data, size);
    if (!png->failed) put_u32(png, crc((const uint8_t *)png->data + start, size + 4));
}

/* `rows` as a zlib stream: a header, stored blocks, a sum over what they hold. */
static void put_stored(io_buffer *out, const io_buffer *rows) {
    const uint8_t *p = (const uint8_t *)rows->data;
    uint32_t a = 1, b = 0;
    io_put(out, (uint8_t[]){0x78, 0x01}, 2);
    for (size_t at = 0; at < rows->size; at += BLOCK) {
        size_t n = rows->size - at < BLOCK ? rows->size - at : BLOCK;
        io_put(out, (uint8_t[]){at + n == rows->size, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8)}, 5);
        io_put(out, p + at, n);
    }
    for (size_t i = 0; i < rows->size; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_u32(out, b << 16 | a);
}

static void put_base64(io_buffer *out, const uint8_t *p, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        unsigned v = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) | (n > 2 ? (unsigned)p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        io_put(out, four, 4);
    }
}

void io_put_image(io_buffer *out, const uint8_t *pixels, size_t width, size_t height, const uint8_t palette[256][3]) {
    io_buffer png = {0}, head = {0}, rows = {0}, stored = {0};
    put_u32(&head, (uint32_t)width);
    put_u32(&head, (uint32_t)height);
    io_put(&head, (uint8_t[]){8, 3, 0, 0, 0}, 5);           /* 8 bits, an index into the palette; not interlaced */
    for (size_t r = 0; r < height; r++) {
        io_put(&rows, "", 1);                               /* this row is not filtered */
        io_put(&rows, pixels + r * width, width);
    }
    if (!rows.failed) put_stored(&stored, &rows);
    io_put(&png, "\x89PNG\r\n\x1a\n", 8);
    if (!head.failed) put_chunk(&png, "IHDR", head.data, head.size);
    put_chunk(&png, "PLTE", palette, 256 * 3);
    if (!stored.failed) put_chunk(&png, "IDAT", stored.data, stored.size);
    put_chunk(&png, "IEND", "", 0);
    io_puts(out, "data:image/png;base64,");
    if (png.failed || head.failed || rows.failed || stored.failed) out->failed = true;
    else put_base64(out, (const uint8_t *)png.data, png.size);
    io_buffer_free(&png);
    io_buffer_free(&head);
    io_buffer_free(&rows);
    io_buffer_free(&stored);
}
