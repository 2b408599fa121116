// Causal attention over the places of a short sequence, whose rows are shared by examples where they can be.
// `fixed` is the head's width where the compiler knows it, or 0.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "elementary.h"

namespace {

using std::int64_t;

constexpr int64_t kMostPlaces = 8;

// Rows of the places of example i: a place has its first row, how many rows, and what finds the example's among them.
class Places {
 public:
  Places(const int64_t* places, const int64_t* tokens) : places_(places), tokens_(tokens) {}
  int64_t row(int64_t position, int64_t i) const {
    const int64_t* place = places_ + 3 * position;
    switch (place[2]) {
      case 0: return place[0];
      case 1: return place[0] + (tokens_ ? tokens_[2 * i] : i);
      case 2: return place[0] + (tokens_ ? tokens_[2 * i + 1] : i);
      default: return place[0] + i;
    }
  }

 private:
  const int64_t *places_, *tokens_;
};

template <class T>
void gather_rows(int64_t n, int64_t d, const T* table, int64_t ldt, const int64_t* tokens,
                 const int64_t* places, int64_t position, T* out, int64_t ldo) {
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(out + i * ldo, table + found.row(position, i) * ldt, d * sizeof(T));
}

template <class T>
void scatter_rows(int64_t n, int64_t d, const T* grad, int64_t ldg, const int64_t* tokens,
                  const int64_t* places, int64_t position, T* out, int64_t ldo) {
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i) {
    T* row = out + found.row(position, i) * ldo;
    const T* g = grad + i * ldg;
#pragma omp simd
    for (int64_t c = 0; c < d; ++c) row[c] += g[c];
  }
}

// Softmax in place: the scores become weights, position by position at the distance of the heads.
template <class T>
void soften(int64_t positions, int64_t heads, T scale, T* w) {
  T largest = w[0], sum = 0;
  for (int64_t j = 1; j < positions; ++j) largest = w[j * heads] > largest ? w[j * heads] : largest;
  for (int64_t j = 0; j < positions; ++j) {
    w[j * heads] = exponential((w[j * heads] - largest) * scale);
    sum += w[j * heads];
  }
  for (int64_t j = 0; j < positions; ++j) w[j * heads] /= sum;
}

// One head's attention of a query over its rows, whose keys and values lie `key` and `value` behind their beginnings:
// the weights w, position by position at the distance of the heads, and the mixture o. Inlined where the width is known.
template <class T>
inline void attend_head(int64_t positions, int64_t heads, int64_t width, T scale, const T* q,
                        const T* const* row, int64_t key, int64_t value, T* w, T* o) {
  for (int64_t j = 0; j < positions; ++j) {
    const T* k = row[j] + key;
    T score = 0;
#pragma omp simd reduction(+ : score)
    for (int64_t c = 0; c < width; ++c) score += q[c] * k[c];
    w[j * heads] = score;
  }
  soften(positions, heads, scale, w);
  std::memset(o, 0, width * sizeof(T));
  for (int64_t j = 0; j < positions; ++j) {
    const T* v = row[j] + value;
    const T share = w[j * heads];
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) o[c] += share * v[c];
  }
}

template <int fixed, class T>
void attend_causal_heads(int64_t n, int64_t d, const T* qkv, int64_t ldq, const int64_t* tokens,
                         const int64_t* places, int64_t positions, int64_t heads, T* weight,
                         int64_t ldw, T* out, int64_t ldo) {
  const int64_t width = fixed ? fixed : d / heads;
  const T scale = T(1) / std::sqrt(T(width));
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i) {
    const T* row[kMostPlaces];
    for (int64_t j = 0; j < positions; ++j) row[j] = qkv + found.row(j, i) * ldq;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t start = h * width;
      attend_head(positions, heads, width, scale, row[positions - 1] + start, row, d + start, 2 * d + start,
                  weight + i * ldw + h, out + i * ldo + start);
    }
  }
}

template <int fixed, class T>
void attend_causal_heads_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, const T* qkv,
                                  int64_t ldq, const int64_t* tokens, const int64_t* places,
                                  int64_t positions, int64_t heads, const T* weight, int64_t ldw,
                                  T* qkv_grad, int64_t ldqg) {
  const int64_t width = fixed ? fixed : d / heads;
  const T scale = T(1) / std::sqrt(T(width));
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i) {
    const T* row[kMostPlaces];
    T* to[kMostPlaces];
    for (int64_t j = 0; j < positions; ++j) {
      const int64_t r = found.row(j, i);
      row[j] = qkv + r * ldq;
      to[j] = qkv_grad + r * ldqg;
    }
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t start = h * width;
      const T* g = grad + i * ldg + start;
      const T* q = row[positions - 1] + start;
      const T* w = weight + i * ldw + h;
      T along[kMostPlaces], mean = 0;
      for (int64_t j = 0; j < positions; ++j) {
        const T* v = row[j] + 2 * d + start;
        T* dv = to[j] + 2 * d + start;
        const T share = w[j * heads];
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < width; ++c) {
          sum += g[c] * v[c];
          dv[c] += share * g[c];
        }
        along[j] = sum;
        mean += share * sum;
      }
      T* dq = to[positions - 1] + start;
      for (int64_t j = 0; j < positions; ++j) {
        const T* k = row[j] + d + start;
        T* dk = to[j] + d + start;
        const T slope = w[j * heads] * (along[j] - mean) * scale;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) {
          dq[c] += slope * k[c];
          dk[c] += slope * q[c];
        }
      }
    }
  }
}

template <int fixed, class T>
void attend_stream_heads(int64_t n, int64_t wide, const T* query, int64_t ldq, const T* stream,
                         int64_t lds, const int64_t* tokens, const int64_t* places, int64_t positions,
                         int64_t heads, T* weight, int64_t ldw, T* out, int64_t ldo) {
  const int64_t d = fixed ? fixed : wide / heads;
  const T scale = T(1) / std::sqrt(T(d) / T(heads));
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i) {
    const T* row[kMostPlaces];
    for (int64_t j = 0; j < positions; ++j) row[j] = stream + found.row(j, i) * lds;
    for (int64_t h = 0; h < heads; ++h)
      attend_head(positions, heads, d, scale, query + i * ldq + h * d, row, 0, 0, weight + i * ldw + h,
                  out + i * ldo + h * d);
  }
}

template <int fixed, class T>
void attend_stream_heads_backward(int64_t n, int64_t wide, const T* grad, int64_t ldg, const T* query,
                                  int64_t ldq, const T* stream, int64_t lds, const int64_t* tokens,
                                  const int64_t* places, int64_t positions, int64_t heads,
                                  const T* weight, int64_t ldw, T* query_grad, int64_t ldqg,
                                  T* stream_grad, int64_t ldsg) {
  const int64_t d = fixed ? fixed : wide / heads;
  const T scale = T(1) / std::sqrt(T(d) / T(heads));
  const Places found(places, tokens);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t h = 0; h < heads; ++h) {
      const T *g = grad + i * ldg + h * d, *q = query + i * ldq + h * d, *w = weight + i * ldw + h;
      T* dq = query_grad + i * ldqg + h * d;
      T along[kMostPlaces], mean = 0;
      for (int64_t j = 0; j < positions; ++j) {
        const T* x = stream + found.row(j, i) * lds;
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < d; ++c) sum += g[c] * x[c];
        along[j] = sum;
        mean += w[j * heads] * sum;
      }
      std::memset(dq, 0, d * sizeof(T));
      for (int64_t j = 0; j < positions; ++j) {
        const int64_t r = found.row(j, i);
        const T* x = stream + r * lds;
        T* dx = stream_grad + r * ldsg;
        const T share = w[j * heads], slope = share * (along[j] - mean) * scale;
#pragma omp simd
        for (int64_t c = 0; c < d; ++c) {
          dq[c] += slope * x[c];
          dx[c] += share * g[c] + slope * q[c];
        }
      }
    }
  }
}

template <class T>
void attend_stream(int64_t n, int64_t wide, const T* query, int64_t ldq, const T* stream, int64_t lds,
                   const int64_t* tokens, const int64_t* places, int64_t positions, int64_t heads,
                   T* weight, int64_t ldw, T* out, int64_t ldo) {
  const auto run = wide == 128 * heads ? attend_stream_heads<128, T> : attend_stream_heads<0, T>;
  run(n, wide, query, ldq, stream, lds, tokens, places, positions, heads, weight, ldw, out, ldo);
}

template <class T>
void attend_stream_backward(int64_t n, int64_t wide, const T* grad, int64_t ldg, const T* query,
                            int64_t ldq, const T* stream, int64_t lds, const int64_t* tokens,
                            const int64_t* places, int64_t positions, int64_t heads, const T* weight,
                            int64_t ldw, T* query_grad, int64_t ldqg, T* stream_grad, int64_t ldsg) {
  const auto run = wide == 128 * heads ? attend_stream_heads_backward<128, T>
                                       : attend_stream_heads_backward<0, T>;
  run(n, wide, grad, ldg, query, ldq, stream, lds, tokens, places, positions, heads, weight, ldw,
      query_grad, ldqg, stream_grad, ldsg);
}

template <class T>
void attend_causal(int64_t n, int64_t d, const T* qkv, int64_t ldq, const int64_t* tokens,
                   const int64_t* places, int64_t positions, int64_t heads, T* weight, int64_t ldw,
                   T* out, int64_t ldo) {
  const auto run = d == 32 * heads ? attend_causal_heads<32, T> : attend_causal_heads<0, T>;
  run(n, d, qkv, ldq, tokens, places, positions, heads, weight, ldw, out, ldo);
}

template <class T>
void attend_causal_backward(int64_t n, int64_t d, const T* grad, int64_t ldg, const T* qkv, int64_t ldq,
                            const int64_t* tokens, const int64_t* places, int64_t positions,
                            int64_t heads, const T* weight, int64_t ldw, T* qkv_grad, int64_t ldqg) {
  const auto run =
      d == 32 * heads ? attend_causal_heads_backward<32, T> : attend_causal_heads_backward<0, T>;
  run(n, d, grad, ldg, qkv, ldq, tokens, places, positions, heads, weight, ldw, qkv_grad, ldqg);
}

}  // namespace
