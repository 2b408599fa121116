// Activations, forward and backward, also of gathered rows.

#pragma once

#include <cstdint>

#include "elementary.h"
#include "rows.h"

namespace {

using std::int64_t;

// Activations in the order of reference.ACTIVATIONS: value and derivative.
enum Kind : int64_t { kGelu, kRelu, kTanh, kQuadratic };

template <int64_t kind, class T>
inline void activation(T x, T& value, T& slope) {
  if constexpr (kind == kGelu) {
    T cdf, density;
    normal(x, cdf, density);
    value = x * cdf;
    slope = cdf + x * density;
  } else if constexpr (kind == kRelu) {
    value = x < T(0) ? T(0) : x;  // NaN stays
    slope = x > T(0) ? T(1) : T(0);
  } else if constexpr (kind == kTanh) {
    value = hyperbolic_tangent(x);
    slope = T(1) - value * value;
  } else {
    value = x * x;
    slope = T(2) * x;
  }
}

template <int64_t kind, class T>
void activate_row(int64_t d, const T* x, const T* y, const T* bias, T scale, T* out, T* derivative) {
  if (derivative) {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) {
      T value, slope;
      activation<kind>(x[c] + y[c] + bias[c], value, slope);
      out[c] = value * scale;
      derivative[c] = slope * scale;
    }
  } else {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) {
      T value, slope;
      activation<kind>(x[c] + y[c] + bias[c], value, slope);
      out[c] = value * scale;
    }
  }
}

template <class T>
using RowFunction = void (*)(int64_t, const T*, const T*, const T*, T, T*, T*);

template <class T>
RowFunction<T> row_function(int64_t kind) {
  switch (kind) {
    case kGelu: return activate_row<kGelu, T>;
    case kRelu: return activate_row<kRelu, T>;
    case kTanh: return activate_row<kTanh, T>;
    default: return activate_row<kQuadratic, T>;
  }
}

template <class T>
void activate(int64_t n, int64_t d, int64_t kind, const T* x, int64_t ldx, const T* bias, double scale,
              T* out, int64_t ldo, T* derivative, int64_t ldd) {
  const T* none = zeros<T>(d);
  const auto row = row_function<T>(kind);
  for (int64_t i = 0; i < n; ++i)
    row(d, x + i * ldx, none, bias ? bias : none, T(scale), out + i * ldo,
        derivative ? derivative + i * ldd : nullptr);
}

template <class T>
void gather_activate(int64_t n, int64_t d, int64_t kind, const T* first, int64_t ldf, const T* second,
                     int64_t lds, const int64_t* tokens, const T* bias, double scale, T* out,
                     int64_t ldo, T* derivative, int64_t ldd) {
  const T* none = zeros<T>(d);
  const auto row = row_function<T>(kind);
  for (int64_t i = 0; i < n; ++i)
    row(d, first + tokens[2 * i] * ldf, second + tokens[2 * i + 1] * lds, bias ? bias : none, T(scale),
        out + i * ldo, derivative ? derivative + i * ldd : nullptr);
}

template <class T>
void activate_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, int64_t grad_rows,
                       T* derivative, int64_t ldd, T* bias_grad) {
  fill_zero(bias_grad, d);
  for (int64_t i = 0; i < n; ++i) {
    const T* g = grad + (i % grad_rows) * ldg;
    T* x = derivative + i * ldd;
    if (bias_grad) {
#pragma omp simd
      for (int64_t c = 0; c < d; ++c) {
        const T v = x[c] * g[c];
        x[c] = v;
        bias_grad[c] += v;
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < d; ++c) x[c] *= g[c];
    }
  }
}

}  // namespace
