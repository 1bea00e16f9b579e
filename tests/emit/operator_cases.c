/* tests/emit/operator_cases: see operator_cases.h. */
#include "operator_cases.h"
#include "random_graph.h"

#include "../unit/model_text.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pbuf operator_case_model(const operator_case *c) {
    pbuf bodies[4] = {{0}};
    for (int k = 0; k < 4 && c->bodies[3 * k]; k++) bodies[k] = model_text_graph(c->bodies[3 * k], c->bodies[3 * k + 1], c->bodies[3 * k + 2], bodies);
    return pb_model_at(model_text_graph(c->inputs, c->outputs, c->nodes, bodies), c->version);
}

static void range_of(const operator_case *c, int i, int *from, int *to) {
    const char *at = c->ranges ? c->ranges : "";
    *from = 0;
    *to = 1;
    for (; i > 0 && at; i--) at = (at = strchr(at, ',')) ? at + 1 : NULL;
    if (at && *at) sscanf(at, "%d..%d", from, to);
}

void *operator_case_data(const operator_case *c, int i, const clstm_tensor *t, uint64_t *state) {
    int64_t n = clstm_tensor_count(t);
    unsigned char *data = calloc((size_t)n + 1, 8);
    int from, to;
    if (!data) abort();
    range_of(c, i, &from, &to);
    for (int64_t k = 0; k < n; k++) {
        double r = random_unit(state), real = r * 4 - 2;
        int64_t whole = from + (int64_t)(r * (to - from + 1));
        switch (t->type) {
        case CLSTM_FLOAT: ((float *)data)[k] = (float)real; break;
        case CLSTM_DOUBLE: ((double *)data)[k] = real; break;
        case CLSTM_FLOAT16: ((uint16_t *)data)[k] = tensor_float_to_half((float)real); break;
        case CLSTM_BFLOAT16: { float f = (float)real; uint32_t u; memcpy(&u, &f, 4); ((uint16_t *)data)[k] = (uint16_t)(u >> 16); break; }
        default: memcpy(data + (size_t)k * clstm_type_size(t->type), &whole, clstm_type_size(t->type)); break;
        }
    }
    return data;
}

#define BODIES(...) .bodies = {__VA_ARGS__}
#define SELECT BODIES("", "y", "Relu x > y", "", "y", "Neg x > y")
#define MODEL(title, opset, in, out, text) .name = title, .version = opset, .inputs = in, .outputs = out, .nodes = text
#define OPEN "?m,?n"
const operator_case operator_cases[] = {
    /* ---- If */
    {MODEL("If", 17, "c:b[] x:f[2,3]", "y", "If c > y then_branch=@0 else_branch=@1"), SELECT},
    {MODEL("If of one element, open sizes", 17, "c:b[1] x:f[?n,3]", "z", "If c > y then_branch=@0 else_branch=@1; Tanh y > z"), SELECT},
    {MODEL("If with several outputs", 17, "c:b[] x:f[2,3]", "s z", "If c > p,q then_branch=@0 else_branch=@1; Add p,x > s; Mul q,x > z"),
     BODIES("", "p q", "Relu x > p; Abs x > h; Sqrt h > q", "", "p q", "Identity x > p; Sigmoid x > q")},
    {MODEL("If that gives what is outside", 17, "c:b[] x:f[4] i:f[4]", "y", "Abs x > a; k = f[4] 1,2,3,4; If c > y then_branch=@0 else_branch=@1"), BODIES("", "a", "Relu a > b", "", "k", "Relu i > b")},
    {MODEL("If in If", 17, "c:b[] d:b[] x:f[5]", "y", "If c > y then_branch=@2 else_branch=@3"),
     BODIES("", "r", "Exp x > r", "", "s", "Abs x > t; Sqrt t > s", "", "y", "If d > q then_branch=@0 else_branch=@1; Neg q > y", "", "y", "Sin x > y")},
    {MODEL("If whose other branch would fail", 17, "c:b[] i:i[2] x:f[4]", "y", "If c > y then_branch=@0 else_branch=@1"), BODIES("", "y", "k = f[2] 0,0; Identity k > y", "", "y", "Gather x,i > y"),
     .ranges = "1..1,7..9"},
    {MODEL("If whose branch fails", 17, "c:b[] i:i[2] x:f[4]", "y", "If c > y then_branch=@0 else_branch=@1"), BODIES("", "y", "k = f[2] 0,0; Identity k > y", "", "y", "Gather x,i > y"),
     .ranges = "0..0,7..9", .bad = true},
    {MODEL("If of a half", 17, "c:b[] x:h[6]", "y", "If c > y then_branch=@0 else_branch=@1"), SELECT, .loose = true},
    {MODEL("If of other shapes", 17, "c:b[] x:f[2,3]", "y", "If c > y then_branch=@0 else_branch=@1"), BODIES("", "y", "Relu x > y", "", "y", "Flatten x > y axis=0"),
     .refused = "branches give other types or shapes"},
    /* ---- Loop */
    {MODEL("Loop of a trip count of the run", 17, "n:i[] x:f[3] s:f[3]", "y", "Loop n,,s > y body=@0"), BODIES("i:i[] c:b[] s:f[3]", "c t", "Tanh s > o; Add o,x > t"), .ranges = "-1..5"},
    {MODEL("Loop with a condition of the run", 17, "n:i[1] c:b[] x:f[3] s:f[3]", "y", "Loop n,c,s > y body=@0"), BODIES("i:i[] c:b[] s:f[3]", "c t", "Tanh s > o; Add o,x > t"), .ranges = "2..5,0..1"},
    {MODEL("Loop that ends by its data", 17, "x:f[1] s:f[1]", "y", "Loop ,,s > y body=@0"), BODIES("i:i[] c:b[] s:f[1]", "go t", "Abs x > a; k = f[] 0.5; Add a,k > b; Add s,b > t; l = f[1] 9; Less t,l > go")},
    {MODEL("Loop of both", 17, "n:i[] x:f[1] s:f[1]", "y z", "Loop n,,s > y body=@0; Neg s > z"), BODIES("i:i[] c:b[] s:f[1]", "go t", "Abs x > a; k = f[] 0.5; Add a,k > b; Add s,b > t; l = f[1] 3; Less t,l > go"), .ranges = "0..6"},
    {MODEL("Loop that uses its number", 17, "n:i[] x:f[6] s:f[]", "y", "Loop n,,s > y body=@0"), BODIES("i:i[] c:b[] s:f[]", "c t", "Gather x,i > g; Cast i > f to=1; Mul g,f > p; Add s,p > t"), .ranges = "0..6"},
    {MODEL("Loop whose index gets out of range", 17, "n:i[] x:f[6] s:f[]", "y", "Loop n,,s > y body=@0"), BODIES("i:i[] c:b[] s:f[]", "c t", "Gather x,i > g; Add s,g > t"), .ranges = "7..9", .bad = true},
    {MODEL("Loop whose states change places", 17, "n:i[] a:f[3] b:f[3] d:f[3]", "p q r", "Loop n,,a,b,d > p,q,r body=@0"), BODIES("i:i[] c:b[] a:f[3] b:f[3] d:f[3]", "c b d a", "Relu a > u"), .ranges = "0..4"},
    {MODEL("Loop whose states keep and move", 17, "n:i[] a:f[3] b:f[3]", "p q", "Loop n,,a,b > p,q body=@0"), BODIES("i:i[] c:b[] a:f[3] b:f[3]", "c a v", "Tanh a > u; Add u,b > v"), .ranges = "0..4"},
    {MODEL("Loop in Loop", 17, "n:i[] m:i[] x:f[2] s:f[2]", "y", "Loop n,,s > y body=@1"),
     BODIES("j:i[] d:b[] r:f[2]", "d v", "Add r,x > u; Tanh u > v", "i:i[] c:b[] s:f[2]", "c t", "Abs s > a; Loop m,,a > w body=@0; Sub w,s > t"), .ranges = "0..3,0..3"},
    {MODEL("Loop around If", 17, "n:i[] c:b[] x:f[2] s:f[2]", "y", "Loop n,,s > y body=@2"),
     BODIES("", "y", "Sin s > y", "", "y", "Add s,x > y", "i:i[] e:b[] s:f[2]", "e w", "k = i[] 1; Equal i,k > o; Xor o,c > p; If p > w then_branch=@0 else_branch=@1"), .ranges = "0..4"},
    {MODEL("Loop of an open number of turns", 17, "x:f[?n,2] s:f[2]", "y z", "Shape x > d; o = i[] 0; Gather d,o > n; Loop n,,s > y,z body=@0"), BODIES("i:i[] c:b[] s:f[2]", "c t t", "Gather x,i > g; Mul s,g > t")},
    {MODEL("Loop whose outputs only the run counts", 17, "n:i[] s:f[2]", "y z", "Loop n,,s > y,z body=@0"), BODIES("i:i[] c:b[] s:f[2]", "c t t", "Neg s > t"), .ranges = "3..3",
     .refused = "number of turns that only the run knows"},
    {MODEL("Loop whose state grows", 17, "n:i[] s:f[2]", "y", "Loop n,,s > y body=@0"), BODIES("i:i[] c:b[] s", "c t", "Concat s,s > t axis=0"), .ranges = "1..2", .refused = "states change their types or shapes"},
    {MODEL("Loop without states", 17, "x:f[?n,2]", "z", "Shape x > d; o = i[] 0; Gather d,o > n; Loop n, > z body=@0"), BODIES("i:i[] c:b[]", "c t", "Gather x,i > g; Exp g > t")},
    /* ---- Scan */
    {MODEL("Scan", 17, "s:f[2] x:f[4,2]", "f y", "Scan s,x > f,y num_scan_inputs=1 body=@0"), BODIES("s:f[2] x:f[2]", "t t", "Mul s,x > p; Tanh p > t")},
    {MODEL("Scan of open length", 17, "s:f[2] x:f[?n,2]", "f y", "Scan s,x > f,y num_scan_inputs=1 body=@0"), BODIES("s:f[2] x:f[2]", "t t", "Mul s,x > p; Add p,s > t")},
    {MODEL("Scan backwards", 17, "s:f[2] x:f[4,2] v:f[4]", "f y z", "Scan s,x,v > f,y,z num_scan_inputs=2 scan_input_directions=1,0 scan_output_directions=0,1 body=@0"),
     BODIES("s:f[2] x:f[2] v:f[]", "t t w", "Mul s,x > p; Add p,v > t; Sin v > w")},
    {MODEL("Scan along other axes", 17, "s:f[2,3] x:f[2,4,3] v:f[2,4]", "f y z",
     "Scan s,x,v > f,y,z num_scan_inputs=2 scan_input_axes=1,-1 scan_output_axes=2,-1 scan_input_directions=0,1 scan_output_directions=1,0 body=@0"),
     BODIES("s:f[2,3] x:f[2,3] v:f[2]", "t t w", "Mul s,x > p; Tanh p > t; Sin v > w")},
    {MODEL("Scan without states", 17, "x:f[4,2]", "y", "Scan x > y num_scan_inputs=1 body=@0"), BODIES("x:f[2]", "t", "Tanh x > t")},
    {MODEL("Scan of two lengths", 17, "x:f[4,2] v:f[3,2]", "y", "Scan x,v > y num_scan_inputs=2 body=@0"), BODIES("x:f[2] v:f[2]", "t", "Add x,v > t"), .bad = true, .refused = "other lengths"},
    {MODEL("Scan of a batch", 8, "s:f[3,2] x:f[3,4,2]", "f y", "Scan ,s,x > f,y num_scan_inputs=1 body=@0"), BODIES("s:f[2] x:f[2]", "t t", "Mul s,x > p; Tanh p > t")},
    {MODEL("Scan of a batch of lengths", 8, "n:i[3] s:f[3,2] x:f[3,4,2] v:f[3,4]", "f y z", "Scan n,s,x,v > f,y,z num_scan_inputs=2 directions=1,0 body=@0"),
     BODIES("s:f[2] x:f[2] v:f[]", "t:f[2] t:f[2] w:f[]", "Mul s,x > p; Add p,v > t; Sin v > w"), .ranges = "0..4"},
    {MODEL("Scan of a batch of integers", 8, "n:i[3] x:i[3,4]", "y", "Scan n,x > y num_scan_inputs=1 body=@0"), BODIES("x:i[]", "t:i[]", "Neg x > t"), .ranges = "0..3,1..9"},
    {MODEL("Scan of a batch of no length", 8, "n:i[3] x:i[3,4]", "y", "Scan n,x > y num_scan_inputs=1 body=@0"), BODIES("x:i[]", "t:i[]", "Neg x > t"), .ranges = "-3..-1,1..9", .bad = true},
    {MODEL("Scan of a batch too long", 8, "n:i[3] s:f[3,2] x:f[3,4,2]", "f y", "Scan n,s,x > f,y num_scan_inputs=1 body=@0"), BODIES("s:f[2] x:f[2]", "t t", "Mul s,x > p; Tanh p > t"), .ranges = "5..6", .bad = true},
    /* ---- elements moved */
    {MODEL("Trilu of the run", 17, "x:f[2,3,4] k:i[]", "y", "Trilu x,k > y"), .ranges = "0..1,-3..4"},
    {MODEL("Trilu lower of the run", 17, "x:i[4,3] k:i[1]", "y", "Trilu x,k > y upper=0"), .ranges = "0..9,-3..4"},
    {"Trilu of open sizes", 17, "x:f[" OPEN "] k:i[]", "y", "Trilu x,k > y upper=0", .ranges = "0..1,-2..2"},
    {MODEL("ReverseSequence", 17, "x:f[4,3,2] n:i[3]", "y", "ReverseSequence x,n > y"), .ranges = "0..1,0..4"},
    {MODEL("ReverseSequence by rows", 17, "x:i[3,4] n:i[3]", "y", "ReverseSequence x,n > y batch_axis=0 time_axis=1"), .ranges = "0..9,0..4"},
    {MODEL("ReverseSequence open", 17, "x:f[?t,?b,2] n:i[?b]", "y", "ReverseSequence x,n > y"), .ranges = "0..1,0..3"},
    {MODEL("ReverseSequence too long", 17, "x:f[4,3,2] n:i[3]", "y", "ReverseSequence x,n > y"), .ranges = "0..1,5..6", .bad = true},
    {MODEL("DepthToSpace", 17, "x:f[2,8,2,3]", "y", "DepthToSpace x > y blocksize=2")}, {MODEL("DepthToSpace CRD", 17, "x:f[2,8,2,3]", "y", "DepthToSpace x > y blocksize=2 mode=CRD")},
    {MODEL("DepthToSpace of opset 1", 10, "x:f[1,9,2,1]", "y", "DepthToSpace x > y blocksize=3")}, {MODEL("SpaceToDepth", 17, "x:f[2,3,4,6]", "y", "SpaceToDepth x > y blocksize=2")},
    {MODEL("BitCast", 26, "x:f[2,3]", "y", "BitCast x > y to=6")}, {MODEL("BitCast of bytes", 26, "x:c[5]", "y", "BitCast x > y to=2"), .ranges = "-9..9"},
    {MODEL("BitCast in the middle", 26, "x:d[3]", "z", "Abs x > a; BitCast a > y to=7; BitCast y > z to=11")},
    {MODEL("Concat of nothing", 17, "x:f[2,3]", "y", "a = i[1] 0; b = i[1] 0; e = i[1] 1; Slice x,a,b,e > n; Concat n,x,n > y axis=1")},
    {MODEL("an input without elements", 17, "x:f[2,3] a:i[0]", "y", "ReduceSum x,a > y keepdims=0")},
    {MODEL("ScatterElements add", 18, "x:f[3,4] i:i[2,4] u:f[2,4]", "y", "ScatterElements x,i,u > y reduction=add axis=0"), .ranges = "0..1,-3..2"},
    {MODEL("ScatterElements mul", 18, "x:n[3,4] i:i[3,2] u:n[3,2]", "y", "ScatterElements x,i,u > y reduction=mul axis=1"), .ranges = "-9..9,-4..3,-9..9"},
    {MODEL("ScatterElements max", 18, "x:h[8] i:i[6] u:h[6]", "y", "ScatterElements x,i,u > y reduction=max"), .ranges = "0..1,0..7", .loose = true},
    {MODEL("ScatterElements min", 18, "x:u[8] i:i[6] u:u[6]", "y", "ScatterElements x,i,u > y reduction=min"), .ranges = "0..255,0..7,0..255"},
    {MODEL("ScatterElements outside", 18, "x:f[8] i:i[6] u:f[6]", "y", "ScatterElements x,i,u > y reduction=min"), .ranges = "0..1,8..9", .bad = true},
    {MODEL("ScatterND add", 18, "x:f[4,3] i:i[3,1] u:f[3,3]", "y", "ScatterND x,i,u > y reduction=add"), .ranges = "0..1,-4..3"},
    {MODEL("ScatterND mul", 18, "x:i[4,3] i:i[5,2] u:i[5]", "y", "ScatterND x,i,u > y reduction=mul"), .ranges = "-9..9,0..2,-9..9"},
    {MODEL("ScatterND max", 18, "x:d[4,3] i:i[5,2] u:d[5]", "y", "ScatterND x,i,u > y reduction=max"), .ranges = "0..1,0..2"},
    {MODEL("ScatterND min", 18, "x:g[4,3] i:i[3,1] u:g[3,3]", "y", "ScatterND x,i,u > y reduction=min"), .ranges = "0..1,0..3", .loose = true},
    {MODEL("ScatterND of bools", 18, "x:b[6] i:i[4,1] u:b[4]", "y z", "ScatterND x,i,u > y reduction=add; ScatterND x,i,u > z reduction=mul"), .ranges = "0..1,0..5,0..1"},
    /* ---- along an axis */
    {MODEL("CumSum along the run's axis", 17, "x:f[2,3,4] a:i[]", "y", "CumSum x,a > y"), .ranges = "0..1,-3..2"},
    {MODEL("CumSum backwards", 17, "x:h[2,3,4] a:n[]", "y", "CumSum x,a > y exclusive=1 reverse=1"), .ranges = "0..1,-3..2", .loose = true},
    {MODEL("CumSum of integers", 17, "x:n[?n,4] a:i[1]", "y", "CumSum x,a > y reverse=1"), .ranges = "-9..9,0..1"},
    {MODEL("CumSum along no axis", 17, "x:f[2,3] a:i[]", "y", "CumSum x,a > y"), .ranges = "0..1,2..4", .bad = true},
    {MODEL("CumProd", 26, "x:f[2,3,4]", "y", "a = i[] 1; CumProd x,a > y")}, {MODEL("CumProd of the run", 26, "x:i[3,4] a:i[]", "y", "CumProd x,a > y exclusive=1"), .ranges = "-5..5,-2..1"},
    {MODEL("Hardmax", 17, "x:f[3,4]", "y", "Hardmax x > y")}, {MODEL("Hardmax along the middle", 17, "x:f[2,4,3]", "y", "Hardmax x > y axis=1")}, {MODEL("Hardmax of opset 11", 11, "x:h[2,4,3]", "y", "Hardmax x > y axis=1")},
    {MODEL("Hardmax of equals", 17, "x:f[6]", "y", "Floor x > f; Hardmax f > y axis=0")},
    {MODEL("LpNormalization", 17, "x:f[2,4,3]", "y", "LpNormalization x > y axis=1")}, {MODEL("LpNormalization 1", 17, "x:d[?n,3]", "y", "LpNormalization x > y p=1")},
    {MODEL("LpNormalization of a half", 17, "x:h[2,5]", "y", "LpNormalization x > y"), .loose = true}, {MODEL("LpNormalization of zeros", 17, "x:f[2,5]", "y", "Sub x,x > z; LpNormalization z > y")},
    /* ---- normalisations */
    {MODEL("LRN", 17, "x:f[2,7,2,3]", "y", "LRN x > y size=3 alpha=0.3 beta=0.6 bias=1.5")}, {MODEL("LRN even", 17, "x:f[?n,5,4]", "y", "LRN x > y size=4 alpha=0.9")},
    {MODEL("LRN of a half", 17, "x:h[1,3,4]", "y", "LRN x > y size=9 alpha=0.9"), .loose = true},
    {MODEL("GroupNormalization", 21, "x:f[2,6,3,2] s:f[6] b:f[6]", "y", "GroupNormalization x,s,b > y num_groups=2 epsilon=0.01")},
    {MODEL("GroupNormalization by groups", 18, "x:f[?n,6,4] s:f[3] b:f[3]", "y", "GroupNormalization x,s,b > y num_groups=3")},
    {MODEL("GroupNormalization of a half", 21, "x:h[1,4,5] s:h[4] b:h[4]", "y", "GroupNormalization x,s,b > y num_groups=4 epsilon=0.1"), .loose = true},
    {MODEL("MeanVarianceNormalization", 17, "x:f[3,2,3,2]", "y", "MeanVarianceNormalization x > y")}, {MODEL("MeanVarianceNormalization of the last", 17, "x:d[3,2,5]", "y", "MeanVarianceNormalization x > y axes=-1,1")},
    {MODEL("BatchNormalization in training", 17, "x:f[3,2,4] s:f[2] b:f[2] m:f[2] v:f[2]", "y p q", "BatchNormalization x,s,b,m,v > y,p,q training_mode=1 momentum=0.7 epsilon=0.01")},
    {MODEL("BatchNormalization's moments", 17, "x:d[3,2] s:d[2] b:d[2] m:d[2] v:d[2]", "q", "BatchNormalization x,s,b,m,v > y,p,q training_mode=1")},
    {MODEL("BatchNormalization of one output", 17, "x:f[?n,2,4] s:f[2] b:f[2] m:f[2] v:f[2]", "y", "BatchNormalization x,s,b,m,v > y training_mode=1")},
    /* ---- elementwise */
    {MODEL("BitShift left", 17, "x:u[3,4] y:u[4]", "z", "BitShift x,y > z direction=LEFT"), .ranges = "0..255,0..9"}, {MODEL("BitShift right", 17, "x:u[3,4] y:u[3,1]", "z", "BitShift x,y > z direction=RIGHT"), .ranges = "0..255,0..9"},
    {MODEL("BitShift left of 16", 17, "x:w[5] y:w[5]", "z", "BitShift x,y > z direction=LEFT"), .ranges = "0..65535,0..17"},
    {MODEL("BitShift left of 32", 17, "x:m[5] y:m[5]", "z", "BitShift x,y > z direction=LEFT"), .ranges = "0..99999,0..34"}, {MODEL("BitShift right of 64", 17, "x:q[5] y:q[5]", "z", "BitShift x,y > z direction=RIGHT"), .ranges = "0..99999,0..66"},
    {MODEL("SwiGLU", 28, "x:f[2,3] y:f[2,3]", "z", "SwiGLU x,y > z alpha=0.7")}, {MODEL("SwiGLU of a half", 28, "x:h[2,3] y:h[3]", "z", "SwiGLU x,y > z"), .loose = true},
    {MODEL("Pow of integers", 17, "x:n[6] y:f[6]", "z", "Pow x,y > z"), .ranges = "-9..9"}, {MODEL("Pow of long integers", 17, "x:i[6] y:d[6]", "z", "Pow x,y > z"), .ranges = "-9..9"},
    {MODEL("Cast from double to float16", 17, "x:d[9]", "y", "Cast x > y to=10")},
    {MODEL("Cast of what a float would take for half way", 17, "x:d[4]", "y", "z = d[] 0; k = d[4] 1.000488281251,1.001464843749,-1.000488281251,-1.001464843749; Mul x,z > o; Add o,k > v; Cast v > h to=10; Cast h > y to=1")},
    {MODEL("Cast from double to bfloat16", 17, "x:d[9]", "y", "Cast x > y to=16")}, {MODEL("Cast from int32 to float16", 17, "x:n[9]", "y", "Cast x > y to=10"), .ranges = "-70000..70000"},
    {MODEL("Dropout's mask", 17, "x:f[2,3]", "y m", "Dropout x > y,m")}, {MODEL("Dropout's mask alone", 7, "x:h[2,3]", "m", "Dropout x > y,m")},
    /* ---- windows */
    {MODEL("MaxPool's indices", 17, "x:f[2,2,5,4]", "y i", "MaxPool x > y,i kernel_shape=3,2 pads=1,0,1,1 strides=2,1")},
    {MODEL("MaxPool's indices by columns", 17, "x:f[1,2,5,4]", "i", "MaxPool x > y,i kernel_shape=2,2 storage_order=1 dilations=2,1")},
    {MODEL("MaxPool of bytes", 17, "x:c[2,1,7]", "y i", "MaxPool x > y,i kernel_shape=3, strides=2, pads=1,1"), .ranges = "-128..127"}, {MODEL("MaxPool of uint8", 17, "x:u[1,1,4,4]", "y", "MaxPool x > y kernel_shape=2,2"), .ranges = "0..255"},
    {MODEL("LpPool", 17, "x:f[2,2,5,4]", "y", "LpPool x > y kernel_shape=3,2 pads=1,0,1,1")}, {MODEL("LpPool 1", 18, "x:f[1,2,7]", "y", "LpPool x > y kernel_shape=3, p=1 dilations=2, ceil_mode=1 strides=2,")},
    {MODEL("LpPool 3", 17, "x:d[1,2,7]", "y", "LpPool x > y kernel_shape=3, p=3")}, {MODEL("GlobalLpPool", 17, "x:f[2,3,4,2]", "y", "GlobalLpPool x > y p=1")},
    {MODEL("Conv of a half", 17, "x:h[2,4,6] w:h[6,2,3] b:h[6]", "y", "Conv x,w,b > y group=2 pads=1,1 strides=2,"), .loose = true}, {MODEL("ConvTranspose of a half", 17, "x:g[1,2,4] w:g[2,3,3]", "y", "ConvTranspose x,w > y strides=2,"), .loose = true},
    {MODEL("ConvInteger", 17, "x:u[1,2,4,4] w:c[4,1,3,3] z:u[]", "y", "ConvInteger x,w,z > y group=2 pads=1,1,1,1"), .ranges = "0..255,-128..127,0..255"},
    {MODEL("ConvInteger of channels' zeros", 17, "x:c[2,2,6] w:u[3,2,2] z:c[] v:u[3]", "y", "ConvInteger x,w,z,v > y strides=2, dilations=2,"), .ranges = "-128..127,0..255,-128..127,0..255"},
    {MODEL("ConvInteger without zeros", 17, "x:c[?n,2,6] w:u[3,2,2]", "y", "ConvInteger x,w > y"), .ranges = "-128..127,0..255"},
    {MODEL("QLinearConv", 17, "x:u[1,2,4,4] p:u[] w:u[4,1,3,3] q:u[] r:u[]", "y", "a = f[] 0.02; b = f[] 0.03; c = f[] 0.9; QLinearConv x,a,p,w,b,q,c,r > y group=2 pads=1,1,1,1"), .ranges = "0..255,99..140,0..255,99..140,99..140"},
    {MODEL("QLinearConv of channels", 17, "x:c[2,2,6] p:c[] w:c[3,2,2] q:c[3] r:c[] d:n[3]", "y", "a = f[] 0.02; b = f[3] 0.03,0.01,0.2; c = f[] 0.9; QLinearConv x,a,p,w,b,q,c,r,d > y"),
     .ranges = "-128..127,-9..9,-128..127,-9..9,-9..9,-999..999"},
    {MODEL("QLinearMatMul", 17, "x:u[2,3,4] p:u[] w:u[4,5] q:u[] r:u[]", "y", "a = f[] 0.02; b = f[] 0.03; c = f[] 0.4; QLinearMatMul x,a,p,w,b,q,c,r > y"), .ranges = "0..255,99..140,0..255,99..140,99..140"},
    {MODEL("QLinearMatMul of rows and columns", 21, "x:c[3,4] p:c[3] w:c[4,5] q:c[5] r:c[3]", "y", "a = f[3] 0.02,0.1,0.03; b = f[5] 0.03,0.01,0.2,0.1,0.05; c = f[3] 0.4,2,1; QLinearMatMul x,a,p,w,b,q,c,r > y"),
     .ranges = "-128..127,-9..9,-128..127,-9..9,-9..9"},
    {MODEL("QuantizeLinear in blocks", 21, "x:f[2,5,3] s:f[2,3,3] z:u[2,3,3]", "y", "Abs s > a; k = f[] 0.01; Add a,k > b; QuantizeLinear x,b,z > y axis=1 block_size=2"), .ranges = "0..1,0..1,90..160"},
    {MODEL("DequantizeLinear in blocks", 21, "x:c[4,6] s:f[4,2] z:c[4,2]", "y", "DequantizeLinear x,s,z > y block_size=3"), .ranges = "-128..127,0..1,-9..9"},
    /* ---- tables of a known size */
    {MODEL("Windows", 17, "x:f[7]", "y z w", "k = i[] 7; HannWindow k > a; HammingWindow k > b periodic=0; BlackmanWindow k > c; Mul x,a > y; Mul x,b > z; Mul x,c > w")},
    {MODEL("Window as long as the input", 17, "x:f[?n]", "y", "Shape x > k; i = i[] 0; Gather k,i > n; HannWindow n > a; Mul x,a > y")},
    {MODEL("Window of the run", 17, "k:i[] x:f[3]", "y", "HannWindow k > a; Mul x,a > y"), .ranges = "3..3", .refused = "HannWindow"},
    {MODEL("MelWeightMatrix", 17, "x:f[2,9]", "y", "b = i[] 4; n = i[] 16; r = i[] 8000; l = f[] 100; h = f[] 3900; MelWeightMatrix b,n,r,l,h > m; MatMul x,m > y")},
    /* ---- Einsum */
    {MODEL("Einsum of an ellipsis", 17, "x:f[2,3,4] y:f[2,4,5]", "z", "Einsum x,y > z equation=...ij,...jk->...ik")},
    {MODEL("Einsum that repeats an ellipsis", 17, "x:f[2,1,3,4] y:f[2,4,5]", "z", "Einsum x,y > z equation=...ij,...jk")}, {MODEL("Einsum that sums an ellipsis", 17, "x:f[2,3,4]", "z", "Einsum x > z equation=...i->i")},
    {MODEL("Einsum of integers", 17, "x:n[3,4] y:n[4]", "z", "Einsum x,y > z equation=ij,j->i"), .ranges = "-9..9,-9..9"}, {MODEL("Einsum of a diagonal", 17, "x:f[3,3,2]", "z", "Einsum x > z equation=iij->ji")},
    {MODEL("Einsum of three", 17, "x:f[3,2] y:f[2,4] v:f[4]", "z", "Einsum x,y,v > z equation=ij,jk,k->i")},
    {.name = NULL}};
