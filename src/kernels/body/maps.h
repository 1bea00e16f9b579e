/* Vector functions over buffers: the last elements go through the same instructions in a padded register. */
#ifndef CLSTM_KERNELS_BODY_MAPS_H
#define CLSTM_KERNELS_BODY_MAPS_H

INLINE vf vf_gate_sigmoid_unbounded(vf x)
{
    return vf_gate_sigmoid(x, vf_set(GATE_SIGMOID_LOW), vf_set(GATE_SIGMOID_HIGH));
}
INLINE vf vf_gate_tanh_unbounded(vf x) { return vf_gate_tanh(x, vf_set(GATE_TANH_LIMIT)); }

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
MAP(map_gate_sigmoid, vf_gate_sigmoid_unbounded)
MAP(map_gate_tanh, vf_gate_tanh_unbounded)
#undef MAP

/* Lanes are folded in order, so the sum depends on n alone. */
static void ISA(map_softmax)(const float *x, float *y, int64_t n)
{
    float top = -__builtin_inff();
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    vf sum = vf_set(0.0f);
    for (int64_t i = 0; i < n; i += VL) {
        int left = n - i < VL ? (int)(n - i) : VL;
        float lane[VL];
        vf_store(lane, vf_exp(vf_load_part_or_whole(x + i, left) - vf_set(top)));
        for (int j = left; j < VL; j++)
            lane[j] = 0.0f;
        vf e = vf_load(lane);
        sum += e;
        vf_store_part_or_whole(y + i, e, left);
    }
    float total = 0.0f, lane[VL];
    vf_store(lane, sum);
    for (int j = 0; j < VL; j++)
        total += lane[j];
    for (int64_t i = 0; i < n; i += VL) {
        int left = n - i < VL ? (int)(n - i) : VL;
        vf_store_part_or_whole(y + i, vf_load_part_or_whole(y + i, left) / vf_set(total), left);
    }
}

#endif
