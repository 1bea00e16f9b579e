/* io/wav: sound files, by libsndfile, from memory through its virtual file interface. */
#include "io/wav.h"

#include "io/value.h"
#include "util/status.h"

#ifdef HAVE_SNDFILE
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory { const unsigned char *bytes; sf_count_t size, at; } memory;

static sf_count_t memory_length(void *user) { return ((memory *)user)->size; }
static sf_count_t memory_tell(void *user) { return ((memory *)user)->at; }

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user) {
    memory *m = user;
    sf_count_t base = whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->size : 0, at;
    if (__builtin_add_overflow(base, offset, &at) || at < 0 || at > m->size) return -1;
    return m->at = at;
}

static sf_count_t memory_read(void *to, sf_count_t count, void *user) {
    memory *m = user;
    if (count > m->size - m->at) count = m->size - m->at;
    if (count <= 0) return 0;
    memcpy(to, m->bytes + m->at, (size_t)count);
    m->at += count;
    return count;
}

static sf_count_t memory_write(const void *from, sf_count_t count, void *user) {
    (void)from, (void)count, (void)user;
    return 0;
}

clstm_status io_wav_parse(const unsigned char *bytes, size_t size, clstm_type type, int64_t max_bytes, clstm_tensor *t, int *rate, clstm_error *err) {
    SF_VIRTUAL_IO io = {memory_length, memory_seek, memory_read, memory_write, memory_tell};
    SF_INFO info = {0};
    memory m = {bytes, (sf_count_t)size, 0};
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &m);
    if (!file) return util_fail(err, CLSTM_BAD_ARGUMENT, "sound file: %s", sf_strerror(NULL));
    bool real = io_type_is_float(type);
    int64_t dims[2] = {info.frames, info.channels};
    clstm_status status = io_tensor_make(t, real ? CLSTM_FLOAT : CLSTM_INT16, 2, dims, max_bytes, err);
    if (status == CLSTM_OK) {
        sf_count_t got = real ? sf_readf_float(file, t->data, info.frames) : sf_readf_short(file, t->data, info.frames);
        if (got != info.frames) {
            free(t->data);
            t->data = NULL;
            status = util_fail(err, CLSTM_BAD_ARGUMENT, "sound file: %lld of %lld frames could be read", (long long)got, (long long)info.frames);
        }
    }
    *rate = info.samplerate;
    sf_close(file);
    return status;
}

#else

clstm_status io_wav_parse(const unsigned char *bytes, size_t size, clstm_type type, int64_t max_bytes, clstm_tensor *t, int *rate, clstm_error *err) {
    (void)bytes, (void)size, (void)type, (void)max_bytes, (void)t, (void)rate;
    return util_fail(err, CLSTM_UNSUPPORTED, "sound files: this clstm was built without libsndfile");
}
#endif
