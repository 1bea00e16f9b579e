/* Who speaks when: runs a voice activity detector over a 16 kHz mono WAV, 16 ms at a time as a microphone would give them, and
 * prints a line for every stretch of speech.
 *   cc vad.c $(pkg-config --cflags --libs clstm) -o vad && ./vad models/vad/model.onnx models/vad/input.wav
 * The model's memory goes in and comes out as h and c; options.carry leaves that to the session. After clstm_session_prepare
 * the loop below allocates nothing and takes no lock: it could stand in a sound card's callback. */
#include <clstm/clstm.h>
#include <stdio.h>
#include <string.h>

enum { RATE = 16000, FRAME = 256 };         /* models/vad: samples a second, samples a frame */
#define GAP 0.2                             /* seconds; a shorter pause belongs to the speech around it */
#define SHORTEST 0.1                        /* seconds; less is a click */

static unsigned long little_endian(const unsigned char *p, int bytes)
{
    unsigned long value = 0;
    while (bytes-- > 0)
        value = value << 8 | p[bytes];
    return value;
}

/* Leaves `file` at the first sample and gives the bytes of sound; NULL, or why this is not a file for us. */
static const char *find_sound(FILE *file, unsigned long *bytes)
{
    unsigned char head[12], format[16];
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        return "not a WAV file";
    for (int is_ours = 0; fread(head, 1, 8, file) == 8;) {
        unsigned long size = little_endian(head + 4, 4);
        if (!memcmp(head, "data", 4)) {
            *bytes = size;
            return !is_ours ? "sound before its format" : size ? NULL : "no sound in it";
        }
        size += size & 1;
        if (!memcmp(head, "fmt ", 4)) {
            if (size < 16 || fread(format, 1, 16, file) != 16)
                return "the format is cut short";
            if (little_endian(format, 2) != 1 || little_endian(format + 14, 2) != 16)
                return "only 16-bit PCM is read here";
            if (little_endian(format + 2, 2) != 1 || little_endian(format + 4, 4) != RATE)
                return "the model wants one channel of 16000 samples a second";
            is_ours = 1;
            size -= 16;
        }
        while (size-- > 0)
            if (getc(file) == EOF)
                return "cut short";
    }
    return "no sound in it";
}

/* The next frame in -1..1, the last one filled up with silence; 0 at the end. */
static int read_frame(FILE *file, unsigned long *left, float *frame)
{
    unsigned char pcm[2 * FRAME];
    size_t bytes = fread(pcm, 1, *left < sizeof pcm ? *left : sizeof pcm, file), samples = bytes / 2;
    *left -= bytes;
    for (size_t i = 0; i < FRAME; i++) {
        long sample = i < samples ? (long)little_endian(pcm + 2 * i, 2) : 0;
        frame[i] = (float)(sample < 32768 ? sample : sample - 65536) / 32768.0f;
    }
    return samples > 0;
}

typedef struct segment { double from, to, sum; long frames; } segment;

static void print_segment(const segment *s)
{
    if (s->frames && s->to - s->from >= SHORTEST)
        printf("speech from %6.2f s to %6.2f s (%.2f s, mean probability %.2f)\n", s->from, s->to, s->to - s->from,
               s->sum / (double)s->frames);
}

static clstm_status listen(clstm_session *session, int output, FILE *file, unsigned long left, float *frame, clstm_error *err)
{
    segment s = {0};
    for (long n = 0; read_frame(file, &left, frame); n++) {
        if (clstm_session_run(session, err) != CLSTM_OK)
            return err->status;
        double start = (double)n * FRAME / RATE;
        double speech = (double)*(const float *)clstm_session_output(session, (size_t)output)->tensor.data;
        if (speech <= 0.5)
            continue;
        if (s.frames && start - s.to >= GAP) {
            print_segment(&s);
            s.frames = 0;
        }
        if (!s.frames)
            s = (segment){.from = start};
        s.to = start + (double)FRAME / RATE;
        s.sum += speech;
        s.frames++;
    }
    print_segment(&s);
    return CLSTM_OK;
}

int main(int argc, char **argv)
{
    static float frame[FRAME];
    clstm_error err = {0};
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    clstm_session_options options;
    unsigned long bytes = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL.onnx SOUND.wav\n", argv[0]);
        return 2;
    }
    FILE *file = fopen(argv[2], "rb");
    const char *wrong = file ? find_sound(file, &bytes) : "cannot be opened";
    if (wrong) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[2], wrong);
        if (file)
            fclose(file);
        return 3;
    }
    clstm_session_options_default(&options);
    options.carry = CLSTM_CARRY_PORTS;      /* h takes hn, c takes cn; zeros at first */
    options.realtime = true;                /* a run that would have to prepare is an error instead */
    clstm_tensor input = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){1, FRAME}, frame);
    int in = -1, out = -1;
    if (clstm_model_load(argv[1], NULL, &model, &err) == CLSTM_OK) {
        in = clstm_model_find_input(model, "frame");
        out = clstm_model_find_output(model, "speech");
    }
    if (model && (in < 0 || out < 0)) {
        err.status = CLSTM_BAD_ARGUMENT;
        snprintf(err.message, sizeof err.message, "%.500s: no input \"frame\" or no output \"speech\"", argv[1]);
    } else if (model && clstm_session_create(model, &options, &session, &err) == CLSTM_OK &&
               clstm_session_set_input(session, (size_t)in, &input, &err) == CLSTM_OK &&
               clstm_session_prepare(session, &err) == CLSTM_OK)
        listen(session, out, file, bytes, frame, &err);
    if (err.status != CLSTM_OK)
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    fclose(file);
    return err.status == CLSTM_OK ? 0 : 3;
}
