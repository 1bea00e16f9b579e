/* io/wav: sound files, by libsndfile. */
#ifndef IO_WAV_H
#define IO_WAV_H

#include <clstm/clstm.h>

/* Samples [frames, channels]: float in -1..1, or for an integer `type` the 16-bit values. Refused in a build without libsndfile. */
clstm_status io_wav_parse(const unsigned char *bytes, size_t size, clstm_type type, int64_t max_bytes, clstm_tensor *t, int *rate, clstm_error *err);

#endif
