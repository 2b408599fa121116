// LayerNorm. `fixed` is the row's width where the compiler knows it, or 0: short rows are half as
// long to walk without the loops' tails.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "rows.h"

namespace {

using std::int64_t;

constexpr double kNormEpsilon = 1e-5;  // torch.nn.LayerNorm

template <int fixed, class T>
void norm_rows(int64_t n, int64_t width, const T* x, int64_t ldx, const T* bias, double bias_scale,
          const T* residual, int64_t ldr, const int64_t* tokens, int64_t column, T* total, int64_t ldt,
          const T* gain, const T* shift, T* hat, int64_t ldh, T* rstd, T* out, int64_t ldo) {
  const int64_t d = fixed ? fixed : width;
  const T* none = zeros<T>(d);
  const T* b = bias ? bias : none;
  const T bs = T(bias_scale);
  for (int64_t i = 0; i < n; ++i) {
    const T* xi = x + i * ldx;
    const T* ri = residual ? residual + (tokens ? tokens[2 * i + column] : i) * ldr : none;
    T* o = out + i * ldo;
    T sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < d; ++c) {
      const T z = xi[c] + bs * b[c] + ri[c];
      o[c] = z;
      sum += z;
    }
    if (total) std::memcpy(total + i * ldt, o, d * sizeof(T));
    const T mean = sum / T(d);
#pragma omp simd reduction(+ : squares)
    for (int64_t c = 0; c < d; ++c) squares += (o[c] - mean) * (o[c] - mean);
    const T inverse = T(1) / std::sqrt(squares / T(d) + T(kNormEpsilon));
    if (rstd) rstd[i] = inverse;
    if (hat) {
      T* h = hat + i * ldh;
#pragma omp simd
      for (int64_t c = 0; c < d; ++c) {
        const T v = (o[c] - mean) * inverse;
        h[c] = v;
        o[c] = v * gain[c] + shift[c];
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < d; ++c) o[c] = (o[c] - mean) * inverse * gain[c] + shift[c];
    }
  }
}

template <int fixed, class T>
void norm_rows_backward(int64_t n, int64_t width, const T* grad, int64_t ldg, const T* hat, int64_t ldh,
                   const T* rstd, const T* gain, const T* skip, int64_t lds, int64_t skip_rows,
                   double skip_scale, T* gain_grad, T* shift_grad, T* out, int64_t ldo,
                   double bias_scale, T* bias_grad) {
  const int64_t d = fixed ? fixed : width;
  const T* none = zeros<T>(d);
  const T ss = T(skip_scale), bs = T(bias_scale);
  fill_zero(gain_grad, d);
  fill_zero(shift_grad, d);
  fill_zero(bias_grad, d);
  for (int64_t i = 0; i < n; ++i) {
    const T* g = grad + i * ldg;
    const T* h = hat + i * ldh;
    const T* s = skip ? skip + (i % skip_rows) * lds : none;
    T* o = out + i * ldo;
    T mean = 0, slope = 0;
#pragma omp simd reduction(+ : mean, slope)
    for (int64_t c = 0; c < d; ++c) {
      const T gh = g[c] * h[c];
      mean += g[c] * gain[c];
      slope += gh * gain[c];
      gain_grad[c] += gh;
      shift_grad[c] += g[c];
    }
    mean /= T(d);
    slope /= T(d);
    const T r = rstd[i];
    if (bias_grad) {
#pragma omp simd
      for (int64_t c = 0; c < d; ++c) {
        const T v = (g[c] * gain[c] - mean - h[c] * slope) * r + ss * s[c];
        o[c] = v;
        bias_grad[c] += bs * v;
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < d; ++c)
        o[c] = (g[c] * gain[c] - mean - h[c] * slope) * r + ss * s[c];
    }
  }
}

template <class T>
void norm(int64_t n, int64_t d, const T* x, int64_t ldx, const T* bias, double bias_scale,
          const T* residual, int64_t ldr, const int64_t* tokens, int64_t column, T* total, int64_t ldt,
          const T* gain, const T* shift, T* hat, int64_t ldh, T* rstd, T* out, int64_t ldo) {
  const auto run = d == 64 ? norm_rows<64, T> : d == 128 ? norm_rows<128, T> : norm_rows<0, T>;
  run(n, d, x, ldx, bias, bias_scale, residual, ldr, tokens, column, total, ldt, gain, shift, hat,
      ldh, rstd, out, ldo);
}

template <class T>
void norm_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, const T* hat, int64_t ldh,
                   const T* rstd, const T* gain, const T* skip, int64_t lds, int64_t skip_rows,
                   double skip_scale, T* gain_grad, T* shift_grad, T* out, int64_t ldo,
                   double bias_scale, T* bias_grad) {
  const auto run = d == 64    ? norm_rows_backward<64, T>
                   : d == 128 ? norm_rows_backward<128, T>
                              : norm_rows_backward<0, T>;
  run(n, d, grad, ldg, hat, ldh, rstd, gain, skip, lds, skip_rows, skip_scale, gain_grad, shift_grad,
      out, ldo, bias_scale, bias_grad);
}

}  // namespace
