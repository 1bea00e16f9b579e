/* probe: what this machine gives in this minute: multiply-adds a second, and the bandwidth of reading so many bytes over and over. */
#ifndef TOOLS_PROBE_H
#define TOOLS_PROBE_H

#include <stddef.h>

typedef struct probe probe;

/* For so many threads; NULL without memory. Nothing is measured yet. */
probe *probe_create(int threads);
void probe_destroy(probe *p);
/* Floating-point operations (a multiply-add is two) in a microsecond, all threads together. Measured once. */
double probe_peak(probe *p);
/* Bytes in a microsecond, all threads together, when they share `bytes` of data that are read again and again. Measured once for
 * each size class (a quarter of a power of two). */
double probe_bandwidth(probe *p, double bytes);

#endif
