// Rows of n × d matrices: the absent ones, sums, copies and gathers.

#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using std::int64_t;

// A row of zeros stands for an absent bias or residual.
template <class T>
const T* zeros(int64_t d) {
  thread_local std::vector<T> row;
  if (static_cast<int64_t>(row.size()) < d) row.assign(d, T(0));
  return row.data();
}

template <class T>
void fill_zero(T* x, int64_t d) {
  if (x) std::memset(x, 0, d * sizeof(T));
}

template <class T>
void add_row(int64_t n, int64_t d, const T* x, int64_t ldx, const T* row, T* out, int64_t ldo) {
  for (int64_t i = 0; i < n; ++i) {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) out[i * ldo + c] = x[i * ldx + c] + row[c];
  }
}

template <class T>
void add_bias(int64_t n, int64_t d, T* x, int64_t ldx, const T* bias) {
  add_row(n, d, x, ldx, bias, x, ldx);
}

template <class T>
void add(int64_t n, int64_t d, const T* x, int64_t ldx, const T* y, int64_t ldy, double scale, T* out,
         int64_t ldo) {
  const T s = T(scale);
  for (int64_t i = 0; i < n; ++i) {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) out[i * ldo + c] = (x[i * ldx + c] + y[i * ldy + c]) * s;
  }
}

template <class T>
void scaled(int64_t n, int64_t d, const T* x, int64_t ldx, double scale, T* out, int64_t ldo) {
  const T s = T(scale);
  for (int64_t i = 0; i < n; ++i) {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) out[i * ldo + c] = x[i * ldx + c] * s;
  }
}

template <class T>
void zero(int64_t n, int64_t d, T* x, int64_t ldx) {
  for (int64_t i = 0; i < n; ++i) std::memset(x + i * ldx, 0, d * sizeof(T));
}

template <class T>
void column_sum(int64_t n, int64_t d, const T* x, int64_t ldx, T* out) {
  fill_zero(out, d);
  for (int64_t i = 0; i < n; ++i) {
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) out[c] += x[i * ldx + c];
  }
}

template <class T>
void gather_sum(int64_t n, int64_t d, const T* first, int64_t ldf, const T* second, int64_t lds,
                const int64_t* tokens, T* out, int64_t ldo) {
  for (int64_t i = 0; i < n; ++i) {
    const T* a = first + tokens[2 * i] * ldf;
    const T* b = second + tokens[2 * i + 1] * lds;
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) out[i * ldo + c] = a[c] + b[c];
  }
}

template <class T>
void scatter_sum(int64_t n, int64_t d, const T* grad, int64_t ldg, const int64_t* tokens,
                 int64_t column, T* out, int64_t ldo) {
  for (int64_t i = 0; i < n; ++i) {
    T* row = out + tokens[2 * i + column] * ldo;
    const T* g = grad + i * ldg;
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) row[c] += g[c];
  }
}

}  // namespace
