/* A malloc family of the program's own in front of the C library's: every allocation of every linked library goes through it, and so do
 * mmap and pthread_create, which count as allocations. */
#ifndef CLSTM_TESTS_OWN_MALLOC_H
#define CLSTM_TESTS_OWN_MALLOC_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool own_counting;        /* only calls meanwhile are counted, and may be refused */
extern atomic_long own_allocations;
extern atomic_long own_frees;
extern atomic_long own_fail_at;         /* counts down to the allocation that fails; negative: none does */
extern atomic_long own_live;            /* blocks, counted always */

#endif
