/*
 * One level's whole table.  A file of an ISA folder includes its vector primitives and then this; everything is static but
 * kernel_fill_<level>.
 */
#ifndef CLSTM_KERNELS_BODY_LEVEL_H
#define CLSTM_KERNELS_BODY_LEVEL_H

#include <string.h>

#include "kernels/body/vec.h"
#include "kernels/body/math.h"
#include "kernels/body/maps.h"

#define T float
#define V vf
#define VLEN VL
#define V_LOAD vf_load
#define V_STORE vf_store
#define V_LOAD_PART vf_load_part
#define V_STORE_PART vf_store_part
#define V_SET vf_set
#define V_FMA vf_fma
#if TILE_FMA
#define DEPTH_LOOP UNROLL_TWICE
#else
#define DEPTH_LOOP
#endif
#define W float
#define W_LOAD vf_load
#define GEMM(name) ISA(name##_f32)
#include "kernels/body/gemm.h"
#undef W
#undef W_LOAD
#undef GEMM
#undef T
#undef V
#undef VLEN
#undef V_LOAD
#undef V_STORE
#undef V_LOAD_PART
#undef V_STORE_PART
#undef V_SET
#undef V_FMA
#undef DEPTH_LOOP

#define T double
#define V vd
#define VLEN (VL / 2)
#define V_LOAD vd_load
#define V_STORE vd_store
#define V_LOAD_PART vd_load_part
#define V_STORE_PART vd_store_part
#define V_SET vd_set
#define V_FMA vd_fma
#define DEPTH_LOOP
#define W double
#define W_LOAD vd_load
#define GEMM(name) ISA(name##_f64)
#include "kernels/body/gemm.h"
#undef W
#undef W_LOAD
#undef GEMM

#define W float
#define W_LOAD vd_load_float
#define GEMM(name) ISA(name##_f32_f64)
#include "kernels/body/gemm.h"
#undef W
#undef W_LOAD
#undef GEMM
#undef T
#undef V
#undef VLEN
#undef V_LOAD
#undef V_STORE
#undef V_LOAD_PART
#undef V_STORE_PART
#undef V_SET
#undef V_FMA
#undef DEPTH_LOOP

#define gemvs_f32(nv) ISA(gemvs_f32)[(nv) - 1]
#include "kernels/body/step.h"
#include "kernels/body/taps.h"

static void ISA(layout_cell)(kernel_layout *out, kernel_store store, int gates, int64_t hidden, int64_t k)
{
    kernel_layout_make(out, store, store == KERNEL_STORE_F32 ? VL : VL / 2, gates, 1, hidden, k);
}

static void ISA(layout_plain)(kernel_layout *out, kernel_store store, int64_t k, int64_t n)
{
    kernel_layout_make(out, store, store == KERNEL_STORE_F32 ? VL : VL / 2, 1, 0, n, k);
}

void ISA(kernel_fill)(kernel_table *t)
{
    t->layout_cell = ISA(layout_cell);
    t->layout_plain = ISA(layout_plain);
    t->pack = kernel_pack_panels;
    t->unpack = kernel_unpack_panels;
    t->gemm_f32 = ISA(gemm_f32);
    t->gemm_f64 = ISA(gemm_f64);
    t->gemm_f32_f64 = ISA(gemm_f32_f64);
    t->taps_f32 = ISA(taps_f32);
    t->step_lstm = ISA(step_lstm);
    t->step_gru = ISA(step_gru);
    t->step_gru_reset = ISA(step_gru_reset);
    t->step_gru_candidate = ISA(step_gru_candidate);
    t->step_rnn = ISA(step_rnn);
    t->gate_sigmoid = ISA(map_gate_sigmoid);
    t->gate_tanh = ISA(map_gate_tanh);
    t->sigmoid = ISA(map_sigmoid);
    t->tanh = ISA(map_tanh);
    t->exp = ISA(map_exp);
    t->log = ISA(map_log);
    t->erf = ISA(map_erf);
    t->gelu = ISA(map_gelu);
    t->softmax = ISA(map_softmax);
}

#endif
