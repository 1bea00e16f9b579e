/* ops/relation: comparisons, logic and bits of two inputs with broadcasting. */
#include "ops/families.h"
#include "ops/loops2.h"

/* a > b is b < a: the inputs change places. Equality of integers does not know the sign. */
#define EQUAL_LOOPS(s, T) OP_LOOP2(Equal_##s, T, uint8_t, a == b)
#define ORDER_LOOPS(s, T) \
    OP_LOOP2(Less_##s, T, uint8_t, a < b) \
    OP_LOOP2(LessOrEqual_##s, T, uint8_t, a <= b)
/* A shift by the width or more leaves nothing. */
#define BIT_LOOPS(s, T) \
    OP_LOOP2(BitwiseAnd_##s, T, T, a & b) \
    OP_LOOP2(BitwiseOr_##s, T, T, a | b) \
    OP_LOOP2(BitwiseXor_##s, T, T, a ^ b) \
    OP_LOOP2(ShiftLeft_##s, T, T, b < sizeof(T) * 8 ? (uint64_t)a << b : 0) \
    OP_LOOP2(ShiftRight_##s, T, T, b < sizeof(T) * 8 ? a >> b : 0)
OP_LOOP_SIGNED(ORDER_LOOPS)
OP_LOOP_UNSIGNED(ORDER_LOOPS)
OP_LOOP_UNSIGNED(EQUAL_LOOPS)
OP_REALS(ORDER_LOOPS)
OP_REALS(EQUAL_LOOPS)
OP_LOOP_UNSIGNED(BIT_LOOPS)
OP_LOOP2(And_bool, uint8_t, uint8_t, (a != 0) & (b != 0))
OP_LOOP2(Or_bool, uint8_t, uint8_t, (a != 0) | (b != 0))
OP_LOOP2(Xor_bool, uint8_t, uint8_t, (a != 0) ^ (b != 0))
OP_LOOP2(Equal_bool, uint8_t, uint8_t, (a != 0) == (b != 0))

#define UNSIGNED_SET(Op) .u32 = Op##_u32, .u64 = Op##_u64
#define ALL_SET(Op) .f32 = Op##_f32, .f64 = Op##_f64, .i32 = Op##_i32, .i64 = Op##_i64, UNSIGNED_SET(Op)
static const op_loops loops_Equal = {.f32 = Equal_f32, .f64 = Equal_f64, UNSIGNED_SET(Equal), .boolean = Equal_bool};
static const op_loops loops_Less = {ALL_SET(Less)};
static const op_loops loops_LessOrEqual = {ALL_SET(LessOrEqual)};
static const op_loops loops_BitwiseAnd = {UNSIGNED_SET(BitwiseAnd)};
static const op_loops loops_BitwiseOr = {UNSIGNED_SET(BitwiseOr)};
static const op_loops loops_BitwiseXor = {UNSIGNED_SET(BitwiseXor)};
static const op_loops loops_ShiftLeft = {UNSIGNED_SET(ShiftLeft)};
static const op_loops loops_ShiftRight = {UNSIGNED_SET(ShiftRight)};
static const op_loops loops_And = {.boolean = And_bool};
static const op_loops loops_Or = {.boolean = Or_bool};
static const op_loops loops_Xor = {.boolean = Xor_bool};

static clstm_status infer_bool(op_ctx *c) { return op_infer_broadcast(c, 0, 2, CLSTM_BOOL); }
static clstm_status infer_same(op_ctx *c) { return op_infer_broadcast(c, 0, 2, op_in(c, 0)->type); }

#define PREPARE(Op) \
    static clstm_status prepare_##Op(op_ctx *c) { clstm_status s; op_pointwise_prepare(c, 2, 0, &loops_##Op, &s); return s; }
#define PREPARE_SWAPPED(Op, Other) \
    static clstm_status prepare_##Op(op_ctx *c) { \
        clstm_status s; \
        op_pointwise *p = op_pointwise_prepare(c, 2, 0, &loops_##Other, &s); \
        if (p) op_pointwise_swap(p); \
        return s; \
    }
PREPARE(Equal) PREPARE(Less) PREPARE(LessOrEqual) PREPARE_SWAPPED(Greater, Less) PREPARE_SWAPPED(GreaterOrEqual, LessOrEqual)
PREPARE(BitwiseAnd) PREPARE(BitwiseOr) PREPARE(BitwiseXor) PREPARE(And) PREPARE(Or) PREPARE(Xor)

static clstm_status check_BitShift(ir_node *n, clstm_error *err) { return op_check_word(n, "direction", "LEFT RIGHT", err); }
static clstm_status prepare_BitShift(op_ctx *c) {
    clstm_status s;
    op_pointwise_prepare(c, 2, 0, op_word(c->node, "direction", "")[0] == 'L' ? &loops_ShiftLeft : &loops_ShiftRight, &s);
    return s;
}

/* A broadcast input of wide elements may have as many bytes as the output of bools: only bools may be overwritten. */
#define ROW(Op, first, last, type_set, attributes, places) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "A:T B:T", .outputs = "C:T1", .types = type_set, .attrs = attributes, \
     .infer = infer_bool, .prepare = prepare_##Op, .run = op_pointwise_run, .inplace = places}
#define OLD_ROWS(Op, type_set, places) \
    ROW(Op, 1, 6, type_set " T1=bool", "axis:i broadcast:i=0", places), ROW(Op, 7, 0, type_set " T1=bool", "", places)
#define BIT_ROW(Op) \
    {.domain = "", .name = #Op, .since = 18, .inputs = "A:T B:T", .outputs = "C:T", .types = "T=int*", .attrs = "", \
     .infer = infer_same, .prepare = prepare_##Op, .run = op_pointwise_run, .inplace = 3}

const op_desc ops_relation[] = {
    OLD_ROWS(Equal, "T=all", 0), OLD_ROWS(Less, "T=num*", 0), OLD_ROWS(Greater, "T=num*", 0),
    OLD_ROWS(And, "T=bool", 3), OLD_ROWS(Or, "T=bool", 3), OLD_ROWS(Xor, "T=bool", 3),
    ROW(LessOrEqual, 12, 0, "T=num* T1=bool", "", 0), ROW(GreaterOrEqual, 12, 0, "T=num* T1=bool", "", 0),
    BIT_ROW(BitwiseAnd), BIT_ROW(BitwiseOr), BIT_ROW(BitwiseXor),
    {.domain = "", .name = "BitShift", .since = 11, .inputs = "X:T Y:T", .outputs = "Z:T", .types = "T=uint8,uint16,uint32,uint64",
     .attrs = "direction:s!", .check = check_BitShift, .infer = infer_same, .prepare = prepare_BitShift, .run = op_pointwise_run, .inplace = 3},
    OP_ARRAY_END};
