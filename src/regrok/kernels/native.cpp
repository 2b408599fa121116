// The kernels of reference.py for one run on one CPU core, in float and double.
//
// Every matrix is row-major, given as a pointer and the distance between its rows (ld); n rows of d
// columns. Rows are processed in order with a fixed association of every sum, so a row's result
// depends neither on its place nor on what is computed beside it. Loops are plain; g++ turns those
// marked `omp simd` into vector code (-fopenmp-simd, no OpenMP runtime).
//
// Compiled and loaded by native.py. Each function is listed in the table at the end.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace {

using std::int64_t;

constexpr double kNormEpsilon = 1e-5;  // torch.nn.LayerNorm
constexpr double kClipEpsilon = 1e-6;  // torch.nn.utils.clip_grad_norm_

// Elementary functions. Double takes the C library's; float has branch-free forms that vectorise.

inline double exponential(double x) { return std::exp(x); }

// Cephes expf: x = n ln 2 + r, a polynomial in r, and 2^n through the exponent bits; 1 ulp or so.
inline float exponential(float x) {
  x = x > 88.7f ? 88.7f : x;
  x = x < -87.3f ? -87.3f : x;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // nearest integer
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return y * scale;
}

inline double hyperbolic_tangent(double x) { return std::tanh(x); }

inline float hyperbolic_tangent(float x) {
  const float z = x * x;
  float small = -5.70498872745e-3f;
  small = small * z + 2.06390887954e-2f;
  small = small * z - 5.37397155531e-2f;
  small = small * z + 1.33314422036e-1f;
  small = small * z - 3.33332819422e-1f;
  small = small * z * x + x;
  const float large = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
  return z < 0.390625f ? small : large;
}

// Normal distribution function Φ(x) and density φ(x).
inline void normal(double x, double& cdf, double& density) {
  cdf = 0.5 * std::erfc(-x * 0.70710678118654752440);
  density = 0.39894228040143267794 * std::exp(-0.5 * x * x);
}

// Φ(−|x|) = exp(−x²/2) t P(t), t = 1 / (1 + 0.21 |x|); P fitted to relative error 2e-8 on |x| ≤ 14.
inline void normal(float x, float& cdf, float& density) {
  const float a = std::fabs(x);
  const float t = 1.0f / (1.0f + 0.21f * a);
  const float e = exponential(-0.5f * x * x);
  float y = -0.0716562389f;
  y = y * t + 0.283588227f;
  y = y * t - 0.330252684f;
  y = y * t + 0.349400207f;
  y = y * t - 0.0939246511f;
  y = y * t + 0.124872489f;
  y = y * t + 0.0691922317f;
  y = y * t + 0.0850688491f;
  y = y * t + 0.0837115762f;
  const float tail = e * t * y;
  cdf = x < 0.0f ? tail : 1.0f - tail;
  density = 0.398942280f * e;
}

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

// Sums, copies and gathers.

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

// Activations.

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

// LayerNorm. `fixed` is the row's width where the compiler knows it, or 0: short rows are half as
// long to walk without the loops' tails.

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

// Softmax cross-entropy. A row is worked on in a copy of whole vectors, whose padding is −∞: the
// exponentials of a scalar tail would cost more than all the others.

template <class T>
class SoftmaxRows {
 public:
  SoftmaxRows(int64_t d, const T* bias) : d_(d), width_((d + 15) / 16 * 16) {
    buffer_.assign(2 * width_, T(0));
    std::memcpy(buffer_.data() + width_, bias, d * sizeof(T));
    std::fill(buffer_.begin() + width_ + d, buffer_.end(), -std::numeric_limits<T>::infinity());
  }
  int64_t width() const { return width_; }
  T* row() { return buffer_.data(); }

  // The row becomes z + bias; returns its largest element.
  T load(const T* z) {
    T *x = row(), largest = -std::numeric_limits<T>::infinity();
    const T* shift = x + width_;
    std::memcpy(x, z, d_ * sizeof(T));
    std::fill(x + d_, x + width_, T(0));
#pragma omp simd reduction(max : largest)
    for (int64_t c = 0; c < width_; ++c) {
      x[c] += shift[c];
      largest = x[c] > largest ? x[c] : largest;
    }
    return largest;
  }

  // The row becomes exp(x − largest); returns its sum.
  T exponentials(T largest) {
    T *x = row(), sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < width_; ++c) {
      x[c] = exponential(x[c] - largest);
      sum += x[c];
    }
    return sum;
  }

 private:
  int64_t d_, width_;
  std::vector<T> buffer_;  // the row, then the bias
};

// Forward and backward; the loss is summed in double.
template <class T>
void cross_entropy(int64_t n, int64_t d, T* logits, int64_t ldl, const T* bias, const int64_t* labels,
                   const T* weights, T* loss, T* bias_grad) {
  SoftmaxRows<T> rows(d, bias);
  const int64_t width = rows.width();
  std::vector<T> sums(width, T(0));
  T *row = rows.row(), *column = sums.data();
  double total = 0, mass = weights ? 0 : static_cast<double>(n);
  if (weights)
    for (int64_t i = 0; i < n; ++i) mass += static_cast<double>(weights[i]);
  for (int64_t i = 0; i < n; ++i) {
    T* z = logits + i * ldl;
    const T largest = rows.load(z), wanted = row[labels[i]] - largest;
    const T sum = rows.exponentials(largest);
    const double weight = weights ? static_cast<double>(weights[i]) : 1.0;
    total += weight * (std::log(static_cast<double>(sum)) - static_cast<double>(wanted));
    const T share = T(weight / mass), factor = share / sum;
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) row[c] *= factor;
    row[labels[i]] -= share;
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) column[c] += row[c];
    std::memcpy(z, row, d * sizeof(T));
  }
  std::memcpy(bias_grad, column, d * sizeof(T));
  *loss = T(total / mass);
}

// What an evaluation reads off the logits, row by row and column by column. An equal logit before
// the label's makes a miss, as with argmax, and so does a NaN anywhere.
template <class T>
void score(int64_t n, int64_t d, const T* logits, int64_t ldl, const T* bias, const int64_t* labels,
           T* loss, T* hit, T* low, T* high) {
  SoftmaxRows<T> rows(d, bias);
  const T* row = rows.row();
  const int64_t width = rows.width();
  std::vector<T> ranges(2 * width, std::numeric_limits<T>::infinity());
  T *least = ranges.data(), *most = least + width;
  std::fill(most, most + width, -std::numeric_limits<T>::infinity());
  for (int64_t i = 0; i < n; ++i) {
    const int64_t label = labels[i];
    const T largest = rows.load(logits + i * ldl), wanted = row[label];
    T ahead = 0;
#pragma omp simd reduction(+ : ahead)
    for (int64_t c = 0; c < width; ++c) {
      least[c] = row[c] < least[c] ? row[c] : least[c];
      most[c] = row[c] > most[c] ? row[c] : most[c];
      ahead += row[c] <= wanted ? T(0) : T(1);
    }
    hit[i] = ahead == T(0) && std::find(row, row + label, wanted) == row + label ? T(1) : T(0);
    const double sum = static_cast<double>(rows.exponentials(largest));
    loss[i] = T(std::log(sum) - static_cast<double>(wanted - largest));
  }
  std::memcpy(low, least, d * sizeof(T));
  std::memcpy(high, most, d * sizeof(T));
}

// Attention over two tokens. `fixed` is the head's width where the compiler knows it, or 0.

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

// Optimisers: runs × P elements, per-run hyper-parameters in double. See regrok.training.optim for the terms.

struct Hyper {
  const double *learning_rate, *weight_decay, *beta1, *beta2, *eps, *momentum, *clip_norm,
      *warmup_steps;
  const int64_t* steps;

  double rate(int64_t run) const {
    const double t = static_cast<double>(steps[run]);
    return learning_rate[run] * std::min(1.0, t / std::max(1.0, warmup_steps[run]));
  }
};

// Factor of clip_grad_norm_; the norm is read only where the run clips.
template <class T>
T clip_factor(int64_t size, const T* grad, double clip_norm) {
  if (std::isinf(clip_norm)) return T(1);
  double total = 0;
  for (int64_t start = 0; start < size; start += 4096) {
    const int64_t end = std::min(size, start + 4096);
    T part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t c = start; c < end; ++c) part += grad[c] * grad[c];
    total += static_cast<double>(part);
  }
  const double factor = clip_norm / (std::sqrt(total) + kClipEpsilon);
  return factor < 1.0 ? T(factor) : (factor >= 1.0 ? T(1) : T(factor));  // NaN stays NaN
}

template <class T>
void adam_step(int64_t runs, int64_t size, T* flat, const T* grad, T* m, T* v, const T* mask,
               int64_t decoupled, const Hyper& hyper) {
  for (int64_t r = 0; r < runs; ++r) {
    T *θ = flat + r * size, *mr = m + r * size, *vr = v + r * size;
    const T* g = grad + r * size;
    const double rate = hyper.rate(r), b1 = hyper.beta1[r], b2 = hyper.beta2[r];
    const double t = static_cast<double>(hyper.steps[r]);
    const T factor = clip_factor(size, g, hyper.clip_norm[r]);
    const T step = T(rate / (1.0 - std::pow(b1, t)));
    const T correction = T(1.0 / std::sqrt(1.0 - std::pow(b2, t)));  // a product is cheaper
    const T shrink = decoupled ? T(rate * hyper.weight_decay[r]) : T(0);
    const T couple = decoupled ? T(0) : T(hyper.weight_decay[r]);
    const T one_b1 = T(1.0 - b1), beta2 = T(b2), one_b2 = T(1.0 - b2), eps = T(hyper.eps[r]);
    const auto update = [=](int64_t c, T decays) {
      const T kept = θ[c] * (T(1) - shrink * decays);
      const T gc = g[c] * factor + couple * decays * kept;
      const T mc = mr[c] + one_b1 * (gc - mr[c]);
      const T vc = beta2 * vr[c] + one_b2 * gc * gc;
      mr[c] = mc;
      vr[c] = vc;
      θ[c] = kept - step * mc / (std::sqrt(vc) * correction + eps);
    };
    if (mask) {
#pragma omp simd
      for (int64_t c = 0; c < size; ++c) update(c, mask[c]);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < size; ++c) update(c, T(1));
    }
  }
}

template <class T>
void sgd_step(int64_t runs, int64_t size, T* flat, const T* grad, T* buffer, const T* mask,
              int64_t decoupled, const Hyper& hyper) {
  for (int64_t r = 0; r < runs; ++r) {
    T *θ = flat + r * size, *br = buffer + r * size;
    const T* g = grad + r * size;
    const double rate = hyper.rate(r);
    const T factor = clip_factor(size, g, hyper.clip_norm[r]);
    const T step = T(rate), μ = T(hyper.momentum[r]);
    const T shrink = decoupled ? T(rate * hyper.weight_decay[r]) : T(0);
    const T couple = decoupled ? T(0) : T(hyper.weight_decay[r]);
    const auto update = [=](int64_t c, T decays) {
      const T kept = θ[c] * (T(1) - shrink * decays);
      const T bc = μ * br[c] + (g[c] * factor + couple * decays * kept);
      br[c] = bc;
      θ[c] = kept - step * bc;
    };
    if (mask) {
#pragma omp simd
      for (int64_t c = 0; c < size; ++c) update(c, mask[c]);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < size; ++c) update(c, T(1));
    }
  }
}

template <class T>
void adam_entry(int64_t runs, int64_t size, T* flat, const T* grad, T* m, T* v, const T* mask,
                int64_t decoupled, const double* learning_rate, const double* weight_decay,
                const double* beta1, const double* beta2, const double* eps, const double* momentum,
                const double* clip_norm, const double* warmup_steps, const int64_t* steps) {
  adam_step(runs, size, flat, grad, m, v, mask, decoupled,
            Hyper{learning_rate, weight_decay, beta1, beta2, eps, momentum, clip_norm, warmup_steps,
                  steps});
}

template <class T>
void sgd_entry(int64_t runs, int64_t size, T* flat, const T* grad, T* buffer, const T* mask,
               int64_t decoupled, const double* learning_rate, const double* weight_decay,
               const double* beta1, const double* beta2, const double* eps, const double* momentum,
               const double* clip_norm, const double* warmup_steps, const int64_t* steps) {
  sgd_step(runs, size, flat, grad, buffer, mask, decoupled,
           Hyper{learning_rate, weight_decay, beta1, beta2, eps, momentum, clip_norm, warmup_steps,
                 steps});
}

// Every function is called through one of this form, with its arguments in 64-bit words.
using Called = void (*)(const int64_t*);

template <class T>
T argument(int64_t word) {
  static_assert(sizeof(T) == sizeof word);
  T value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

template <auto function>
struct Caller;

template <class... Arguments, void (*function)(Arguments...)>
struct Caller<function> {
  template <std::size_t... place>
  static void unpack(const int64_t* words, std::index_sequence<place...>) {
    function(argument<Arguments>(words[place])...);
  }
  static void call(const int64_t* words) { unpack(words, std::index_sequence_for<Arguments...>{}); }
};

struct Entry {
  const char* name;
  Called single;
  Called twice;
};

#define ENTRY(name, function) \
  {name, Caller<&function<float>>::call, Caller<&function<double>>::call}

const Entry kEntries[] = {
    ENTRY("add_row", add_row),
    ENTRY("add_bias", add_bias),
    ENTRY("add", add),
    ENTRY("scaled", scaled),
    ENTRY("zero", zero),
    ENTRY("column_sum", column_sum),
    ENTRY("gather_sum", gather_sum),
    ENTRY("scatter_sum", scatter_sum),
    ENTRY("activate", activate),
    ENTRY("gather_activate", gather_activate),
    ENTRY("activate_backward", activate_backward),
    ENTRY("norm", norm),
    ENTRY("norm_backward", norm_backward),
    ENTRY("cross_entropy", cross_entropy),
    ENTRY("score", score),
    ENTRY("attend", attend),
    ENTRY("attend_backward", attend_backward),
    ENTRY("adam_step", adam_entry),
    ENTRY("sgd_step", sgd_entry),
};

}  // namespace

// A kernel for float (is_double 0) or double (1); null where there is none of that name.
extern "C" Called regrok_kernel(const char* name, int is_double) {
  for (const Entry& entry : kEntries)
    if (!std::strcmp(entry.name, name)) return is_double ? entry.twice : entry.single;
  return nullptr;
}

struct Step {
  Called function;
  const int64_t* words;
};

extern "C" void regrok_replay(int64_t count, const Step* steps) {
  for (int64_t i = 0; i < count; ++i) steps[i].function(steps[i].words);
}
