// Attention over two tokens. `fixed` is the head's width where the compiler knows it, or 0.

#pragma once

#include <cmath>
#include <cstdint>

#include "elementary.h"

namespace {

using std::int64_t;

template <int fixed, class T>
void attend_heads(int64_t n, int64_t d, const T* query, int64_t ldq, const T* key0, int64_t ldk0,
                  const T* value0, int64_t ldv0, const T* key1, int64_t ldk1, const T* value1,
                  int64_t ldv1, const int64_t* tokens, int64_t position, int64_t heads, T* weight,
                  int64_t ldw, T* out, int64_t ldo) {
  const int64_t width = fixed ? fixed : d / heads;
  const T scale = T(1) / std::sqrt(T(width));
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = tokens[2 * i], b = tokens[2 * i + 1];
    const T* q = query + (position ? b : a) * ldq;
    const T *k0 = key0 + a * ldk0, *k1 = key1 + b * ldk1;
    const T *v0 = value0 + a * ldv0, *v1 = value1 + b * ldv1;
    T* w = weight + i * ldw;
    T* o = out + i * ldo;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t start = h * width;
      T score = 0;
#pragma omp simd reduction(+ : score)
      for (int64_t c = start; c < start + width; ++c) score += q[c] * (k0[c] - k1[c]);
      const T s = T(1) / (T(1) + exponential(-score * scale));
      w[h] = s;
#pragma omp simd
      for (int64_t c = start; c < start + width; ++c) o[c] = v1[c] + s * (v0[c] - v1[c]);
    }
  }
}

template <int fixed, class T>
void attend_heads_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, const T* query,
                           int64_t ldq, const T* key0, int64_t ldk0, const T* value0, int64_t ldv0,
                           const T* key1, int64_t ldk1, const T* value1, int64_t ldv1,
                           const int64_t* tokens, int64_t position, int64_t heads, const T* weight,
                           int64_t ldw, T* query_grad, int64_t ldqg, T* key0_grad, int64_t ldk0g,
                           T* value0_grad, int64_t ldv0g, T* key1_grad, int64_t ldk1g,
                           T* value1_grad, int64_t ldv1g) {
  const int64_t width = fixed ? fixed : d / heads;
  const T scale = T(1) / std::sqrt(T(width));
  for (int64_t i = 0; i < n; ++i) {
    const int64_t a = tokens[2 * i], b = tokens[2 * i + 1], t = position ? b : a;
    const T* g = grad + i * ldg;
    const T* q = query + t * ldq;
    const T *k0 = key0 + a * ldk0, *k1 = key1 + b * ldk1;
    const T *v0 = value0 + a * ldv0, *v1 = value1 + b * ldv1;
    T* dq = query_grad + t * ldqg;
    T *dk0 = key0_grad + a * ldk0g, *dk1 = key1_grad + b * ldk1g;
    T *dv0 = value0_grad + a * ldv0g, *dv1 = value1_grad + b * ldv1g;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t start = h * width;
      const T w = weight[i * ldw + h];
      T slope = 0;
#pragma omp simd reduction(+ : slope)
      for (int64_t c = start; c < start + width; ++c) {
        const T first = w * g[c];
        slope += g[c] * (v0[c] - v1[c]);
        dv0[c] += first;
        dv1[c] += g[c] - first;
      }
      slope *= w * (T(1) - w) * scale;
#pragma omp simd
      for (int64_t c = start; c < start + width; ++c) {
        const T k = slope * q[c];
        dq[c] += slope * (k0[c] - k1[c]);
        dk0[c] += k;
        dk1[c] -= k;
      }
    }
  }
}

template <class T>
void attend(int64_t n, int64_t d, const T* query, int64_t ldq, const T* key0, int64_t ldk0,
            const T* value0, int64_t ldv0, const T* key1, int64_t ldk1, const T* value1, int64_t ldv1,
            const int64_t* tokens, int64_t position, int64_t heads, T* weight, int64_t ldw, T* out,
            int64_t ldo) {
  const auto run = d == 32 * heads    ? attend_heads<32, T>
                   : d == 128 * heads ? attend_heads<128, T>
                                      : attend_heads<0, T>;
  run(n, d, query, ldq, key0, ldk0, value0, ldv0, key1, ldk1, value1, ldv1, tokens, position, heads,
      weight, ldw, out, ldo);
}

template <class T>
void attend_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, const T* query, int64_t ldq,
                     const T* key0, int64_t ldk0, const T* value0, int64_t ldv0, const T* key1,
                     int64_t ldk1, const T* value1, int64_t ldv1, const int64_t* tokens,
                     int64_t position, int64_t heads, const T* weight, int64_t ldw, T* query_grad,
                     int64_t ldqg, T* key0_grad, int64_t ldk0g, T* value0_grad, int64_t ldv0g,
                     T* key1_grad, int64_t ldk1g, T* value1_grad, int64_t ldv1g) {
  const auto run = d == 32 * heads    ? attend_heads_backward<32, T>
                   : d == 128 * heads ? attend_heads_backward<128, T>
                                      : attend_heads_backward<0, T>;
  run(n, d, grad, ldg, query, ldq, key0, ldk0, value0, ldv0, key1, ldk1, value1, ldv1, tokens,
      position, heads, weight, ldw, query_grad, ldqg, key0_grad, ldk0g, value0_grad, ldv0g, key1_grad,
      ldk1g, value1_grad, ldv1g);
}

}  // namespace
