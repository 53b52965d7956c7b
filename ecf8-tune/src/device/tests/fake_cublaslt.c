/* A cuBLASLt that is none: it multiplies bytes as whole numbers, modulo 65536, where the real one has FP8 and BF16. With OLD it lacks the function
 * that multiplies, with NONE it knows no algorithm. Signatures and numbers are those of cublasLt.h of CUDA 13. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef struct { int compute, scale, transposed, fast; } operation;
typedef struct { int type; uint64_t rows, columns; int64_t step; } layout;
typedef struct { uint64_t algorithm[8]; size_t workspace; int state; float waves; int reserved[4]; } result;
static int handles;
int cublasLtCreate(void **handle) { handles++; *handle = &handles; return 0; }
int cublasLtDestroy(void *handle) { return handle == &handles ? (handles--, 0) : 7; }
int cublasLtMatmulDescCreate(operation **made, int compute, int scale) {
    *made = calloc(1, sizeof **made);
    (*made)->compute = compute;
    (*made)->scale = scale;
    return 0;
}
int cublasLtMatmulDescDestroy(operation *old) { free(old); return 0; }
int cublasLtMatmulDescSetAttribute(operation *of, int attribute, const void *value, size_t bytes) {
    if (attribute == 3 && bytes == 4) of->transposed = *(const int32_t *)value;
    else if (attribute == 25 && bytes == 1) of->fast = *(const int8_t *)value;
    else return 7;
    return 0;
}
int cublasLtMatrixLayoutCreate(layout **made, int type, uint64_t rows, uint64_t columns, int64_t step) {
    *made = malloc(sizeof **made);
    **made = (layout){ type, rows, columns, step };
    return 0;
}
int cublasLtMatrixLayoutDestroy(layout *old) { free(old); return 0; }
int cublasLtMatmulPreferenceCreate(uint64_t **made) { *made = calloc(1, 8); return 0; }
int cublasLtMatmulPreferenceDestroy(uint64_t *old) { free(old); return 0; }
int cublasLtMatmulPreferenceSetAttribute(uint64_t *of, int attribute, const void *value, size_t bytes) {
    if (attribute != 1 || bytes != 8) return 7;
    *of = *(const uint64_t *)value;
    return 0;
}
static int is_fp8(const operation *o, const layout *a, const layout *b, const layout *c) {
    return o->compute == 68 && o->scale == 0 && o->transposed == 1 && o->fast == 1 && a->type == 28 && b->type == 28 && c->type == 14
        && a->rows == b->rows && c->rows == a->columns && c->columns == b->columns && a->step == (int64_t)a->rows
        && b->step == (int64_t)b->rows && c->step == (int64_t)c->rows && a->rows % 16 == 0 && a->columns % 16 == 0 && b->columns % 16 == 0;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, operation *o, layout *a, layout *b, layout *c, layout *d, uint64_t *preference, int most,
                                   result *results, int *found) {
    if (handle != &handles || c != d || most != 1 || !is_fp8(o, a, b, c)) return 7;
    memset(results, 0, sizeof *results);
    results->algorithm[7] = 4711;
    results->workspace = *preference;
#ifdef NONE
    *found = 0;
#else
    *found = 1;
#endif
    return 0;
}
#ifndef OLD
int cublasLtMatmul(void *handle, operation *o, const float *alpha, const uint8_t *a, layout *of_a, const uint8_t *b, layout *of_b,
                   const float *beta, const uint16_t *c, layout *of_c, uint16_t *d, layout *of_d, const uint64_t *algorithm, void *workspace,
                   size_t workspace_bytes, void *stream) {
    if (handle != &handles || *alpha != 1 || *beta != 0 || c != d || of_c != of_d || algorithm[7] != 4711 || !workspace || workspace_bytes < 1024
        || stream || !is_fp8(o, of_a, of_b, of_c))
        return 7;
    for (uint64_t column = 0; column < of_d->columns; column++)
        for (uint64_t row = 0; row < of_d->rows; row++) {
            uint16_t sum = 0;
            for (uint64_t k = 0; k < of_a->rows; k++) sum += (uint16_t)(a[row * of_a->rows + k] * b[column * of_b->rows + k]);
            d[column * of_d->rows + row] = sum;
        }
    return 0;
}
#endif
