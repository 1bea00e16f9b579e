/* Vector functions over buffers: the last elements go through the same instructions in a padded register. */
#ifndef CLSTM_KERNELS_BODY_MAPS_H
#define CLSTM_KERNELS_BODY_MAPS_H

INLINE vf vf_gate_unbounded(vf x, const unsigned tanhs)
{
    const ISA(gate_limits) l = {vf_set(GATE_SIGMOID_LOW), vf_set(GATE_SIGMOID_HIGH), vf_set(GATE_TANH_LIMIT)};
    vf_gates(&l, &x, 1, tanhs);
    return x;
}
INLINE vf vf_gate_sigmoid_unbounded(vf x) { return vf_gate_unbounded(x, 0); }
INLINE vf vf_gate_tanh_unbounded(vf x) { return vf_gate_unbounded(x, 1); }

#define MAP(name, function)                                                  \
    static void ISA(name)(const float *x, float *y, int64_t n)               \
    {                                                                        \
        int64_t i = 0;                                                       \
        for (; i + VL <= n; i += VL)                                         \
            vf_store(y + i, function(vf_load(x + i)));                       \
        if (i < n) {                                                         \
            int left = (int)(n - i);                                         \
            vf_store_part(y + i, function(vf_load_part(x + i, left)), left); \
        }                                                                    \
    }
MAP(map_exp, vf_exp)
MAP(map_log, vf_log)
MAP(map_tanh, vf_tanh)
MAP(map_sigmoid, vf_sigmoid)
MAP(map_erf, vf_erf)
MAP(map_gelu, vf_gelu)
MAP(map_gate_sigmoid, vf_gate_sigmoid_unbounded)
MAP(map_gate_tanh, vf_gate_tanh_unbounded)
#undef MAP

/* x with the lanes from n on replaced by `pad` */
INLINE vf vf_pad(vf x, int n, float pad)
{
    vi lane = {0};
    for (int i = 0; i < VL; i++)
        lane[i] = i;
    return vf_select(lane < n, x, vf_set(pad));
}

/* e^(x - top) of the vector at i; lanes beyond n are 0 */
INLINE vf ISA(softmax_part)(const float *x, int64_t i, int64_t n, float top)
{
    if (i + VL <= n)
        return vf_exp_difference(vf_load(x + i), vf_set(top));
    int left = (int)(n - i);
    return vf_pad(vf_exp_difference(vf_load_part(x + i, left), vf_set(top)), left, 0.0f);
}

/* A lane's sum carries what its additions lose; lanes are folded in order, so the sum depends on n and the values alone. A NaN stays
   out of the maximum and spoils the sum. */
static void ISA(map_softmax)(const float *x, float *y, int64_t n)
{
    float lane[VL], lost[VL], top = -__builtin_inff();
    double total = 0.0;
    vf tops = vf_set(top), sum = vf_set(0.0f), low = sum;
    for (int64_t i = 0; i < n; i += VL)
        tops = vf_max(i + VL <= n ? vf_load(x + i) : vf_pad(vf_load_part(x + i, (int)(n - i)), (int)(n - i), top), tops);
    vf_store(lane, tops);
    for (int j = 0; j < VL; j++)
        top = lane[j] > top ? lane[j] : top;
    for (int64_t i = 0; i < n; i += VL) {
        vf e = ISA(softmax_part)(x, i, n, top), more = e - low, next = sum + more;
        low = (next - sum) - more;
        sum = next;
        vf_store_part_or_whole(y + i, e, n - i < VL ? (int)(n - i) : VL);
    }
    vf_store(lane, sum);
    vf_store(lost, low);
    for (int j = 0; j < VL; j++)
        total += (double)lane[j] - (double)lost[j];
    for (int64_t i = 0; i < n; i += VL) {
        int left = n - i < VL ? (int)(n - i) : VL;
        vf_store_part_or_whole(y + i, vf_load_part_or_whole(y + i, left) / vf_set((float)total), left);
    }
}

#endif
