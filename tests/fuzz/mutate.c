/* Mutations for fuzzing: of bytes, and of protobuf fields with the lengths around them kept right. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long fuzz_reached;

_Noreturn void fuzz_broken(const char *property, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, property);
    abort();
}

uint64_t fuzz_next(fuzz_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static size_t below(fuzz_random *random, size_t bound)
{
    return bound ? (size_t)(fuzz_next(random) % bound) : 0;
}

size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t capacity, fuzz_random *random)
{
    for (size_t times = 1 + below(random, 4); times; times--) {
        size_t at = below(random, size), room = capacity - size;
        switch (below(random, 6)) {
        case 0:
            if (size)
                data[at] ^= (uint8_t)(1u << below(random, 8));
            break;
        case 1:
            if (size)
                data[at] = (uint8_t)fuzz_next(random);
            break;
        case 2:                         /* cut short */
            if (below(random, 4) == 0)
                size = at;
            break;
        case 3:                         /* take bytes out */
            if (size) {
                size_t n = 1 + below(random, size - at < 16 ? size - at : 16);
                memmove(data + at, data + at + n, size - at - n);
                size -= n;
            }
            break;
        case 4: {                       /* repeat bytes */
            size_t n = below(random, size - at < 64 ? size - at + 1 : 64);
            if (n > room)
                n = room;
            memmove(data + at + n, data + at, size - at);
            size += n;
            break;
        }
        default: {                      /* a number that often is a boundary */
            static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, '-', '9'};
            for (size_t i = 0, n = 1 + below(random, 8); i < n && at + i < size; i++)
                data[at + i] = edges[below(random, sizeof edges)];
        }
        }
    }
    return size;
}

/* One field of a message: its bytes from `start`, its payload of `length` bytes at `body`. */
typedef struct field { size_t start, body, length; unsigned wire; uint64_t tag; } field;

static bool read_varint(const uint8_t *data, size_t size, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*at >= size)
            return false;
        uint8_t byte = data[(*at)++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool read_field(const uint8_t *data, size_t size, size_t *at, field *f)
{
    uint64_t value;
    f->start = *at;
    if (!read_varint(data, size, at, &f->tag) || f->tag >> 3 == 0)
        return false;
    f->wire = f->tag & 7;
    f->body = *at;
    switch (f->wire) {
    case 0:
        if (!read_varint(data, size, at, &value))
            return false;
        break;
    case 1: *at += 8; break;
    case 5: *at += 4; break;
    case 2:
        if (!read_varint(data, size, at, &value) || value > size - *at)
            return false;
        f->body = *at;
        *at += (size_t)value;
        break;
    default: return false;
    }
    if (*at > size)
        return false;
    f->length = *at - f->body;
    return true;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

static bool is_message(const uint8_t *data, size_t size)
{
    field f;
    size_t at = 0;
    while (at < size)
        if (!read_field(data, size, &at, &f))
            return false;
    return size > 0;
}

/* What stands in place of one field: returns the size written to out (which holds 2 * size + 64 at least). */
static size_t change_field(const uint8_t *data, const field *f, size_t end, uint8_t *out, fuzz_random *random)
{
    static const uint64_t edges[] = {0, 1, 2, 7, 8, 63, 64, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
                                     0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe};
    size_t whole = end - f->start, n = 0;
    switch (below(random, 8)) {
    case 0:                             /* gone */
        return 0;
    case 1:                             /* twice */
        memcpy(out, data + f->start, whole);
        memcpy(out + whole, data + f->start, whole);
        return 2 * whole;
    case 2:                             /* another field number */
        n = put_varint(out, (1 + below(random, 30)) << 3 | f->wire);
        memcpy(out + n, data + f->start + 1, whole - 1);
        return n + whole - 1;
    default:
        break;
    }
    n = put_varint(out, f->tag);
    if (f->wire == 0)
        return n + put_varint(out + n, below(random, 2) ? edges[below(random, sizeof edges / sizeof *edges)] : fuzz_next(random) % 40);
    if (f->wire == 2) {
        uint8_t *body = out + n + 10;
        memcpy(body, data + f->body, f->length);
        size_t length = fuzz_mutate_bytes(body, f->length, f->length + 16, random);
        n += put_varint(out + n, length);
        memmove(out + n, body, length);
        return n + length;
    }
    memcpy(out + n, data + f->body, f->length);
    fuzz_mutate_bytes(out + n, f->length, f->length, random);
    return n + f->length;
}

/* Writes the changed message to out; returns its size, 0 when nothing could be done. */
static size_t mutate_message(const uint8_t *data, size_t size, uint8_t *out, size_t capacity, fuzz_random *random, int depth)
{
    field f, chosen = {0};
    size_t at = 0, count = 0, end = 0;
    while (at < size && read_field(data, size, &at, &f))
        if (below(random, ++count) == 0) {
            chosen = f;
            end = at;
        }
    if (!count || capacity < 3 * size + 128)
        return 0;
    memcpy(out, data, chosen.start);
    size_t n = chosen.start;
    uint8_t *inner = NULL;
    if (chosen.wire == 2 && depth < 12 && below(random, 8) && is_message(data + chosen.body, chosen.length) &&
        (inner = malloc(3 * chosen.length + 256))) {
        size_t length = mutate_message(data + chosen.body, chosen.length, inner, 3 * chosen.length + 256, random, depth + 1);
        n += put_varint(out + n, chosen.tag);
        n += put_varint(out + n, length);
        memcpy(out + n, inner, length);
        n += length;
        free(inner);
    } else {
        n += change_field(data, &chosen, end, out + n, random);
    }
    memcpy(out + n, data + end, size - end);
    return n + size - end;
}

size_t fuzz_mutate_wire(uint8_t *data, size_t size, size_t capacity, fuzz_random *random)
{
    if (below(random, 16) == 0)
        return fuzz_mutate_bytes(data, size, capacity, random);
    uint8_t *out = malloc(4 * size + 512);
    size_t n = out ? mutate_message(data, size, out, 4 * size + 512, random, 0) : 0;
    if (n == 0 || n > capacity)
        n = fuzz_mutate_bytes(data, size, capacity, random);
    else
        memcpy(data, out, n);
    free(out);
    return n;
}
