// Random numbers that are counted, not drawn: number i of a stream is a function of (seed, step, stream, i) alone.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

using std::int64_t;
using std::uint64_t;

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;
constexpr int64_t kBlock = 256;  // numbers made at a time, in the first-level cache

// SplitMix64's output function (Steele, Lea & Flood 2014); regrok.tasks.streams has the same.
inline uint64_t splitmix64(uint64_t state) {
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBu;
  return state ^ (state >> 31);
}

// The start of a stream at a step: draw holds a run's key and the number of its step.
inline uint64_t stream_start(const int64_t* draw, int64_t stream) {
  const uint64_t key = static_cast<uint64_t>(draw[0]), step = static_cast<uint64_t>(draw[1]);
  const uint64_t at = splitmix64(key + (step + 1) * kGolden);
  return splitmix64(at + (static_cast<uint64_t>(stream) + 1) * kGolden);
}

inline double logarithm(double x) { return std::log(x); }

// Cephes logf for normal x > 0: x = 2^e m with m in [√½, √2), a polynomial in m − 1.
inline float logarithm(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int32_t shifted = bits - 0x3f3504f3;  // the bits of √½
  const float e = static_cast<float>(shifted >> 23);
  const int32_t mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
  float m;
  std::memcpy(&m, &mantissa, sizeof m);
  m = m - 1.0f;
  const float z = m * m;
  float y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z - 2.12194440e-4f * e - 0.5f * z;
  return m + y + 0.693359375f * e;
}

// Cosine and sine of 2πu, u in [0, 1).
inline void on_circle(double u, double& cosine, double& sine) {
  cosine = std::cos(6.283185307179586477 * u);
  sine = std::sin(6.283185307179586477 * u);
}

// The same by the nearest quarter turn and Cephes' polynomials on an eighth of a turn to either side.
inline void on_circle(float u, float& cosine, float& sine) {
  const int32_t quarter = static_cast<int32_t>(4.0f * u + 0.5f);
  const float x = (u - 0.25f * static_cast<float>(quarter)) * 6.28318530718f, z = x * x;
  const float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * x + x;
  const float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
                  0.5f * z + 1.0f;
  const float one = quarter & 1 ? s : c, other = quarter & 1 ? c : s;
  cosine = (quarter + 1) & 2 ? -one : one;
  sine = quarter & 2 ? -other : other;
}

// out = x + scale · mask · z with standard normal z, by Box and Muller: number j of row i makes two of them.
template <class T>
void noise(int64_t n, int64_t d, const T* x, int64_t ldx, const int64_t* draw, int64_t stream, double scale,
           const T* mask, T* out, int64_t ldo) {
  const uint64_t start = stream_start(draw, stream);
  const int64_t half = (d + 1) / 2;
  const T σ = T(scale);
  int32_t length[kBlock], angle[kBlock];
  T first[kBlock], second[kBlock];
  for (int64_t i = 0; i < n; ++i) {
    const T* from = x + i * ldx;
    T* to = out + i * ldo;
    for (int64_t begin = 0; begin < half; begin += kBlock) {
      const int64_t count = std::min(kBlock, half - begin);
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const uint64_t drawn = splitmix64(start + static_cast<uint64_t>(i * half + begin + j + 1) * kGolden);
        length[j] = static_cast<int32_t>(drawn >> 33);
        angle[j] = static_cast<int32_t>((drawn >> 2) & 0x7fffffffu);
      }
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const T u = (T(length[j]) + T(0.5)) * T(0x1p-31);
        const T r = std::sqrt(T(-2) * logarithm(u)) * σ;
        T cosine, sine;
        on_circle(T(angle[j]) * T(0x1p-31), cosine, sine);
        first[j] = r * cosine;
        second[j] = r * sine;
      }
      const int64_t rest = std::min(count, d - half - begin);
      if (mask) {
#pragma omp simd
        for (int64_t j = 0; j < count; ++j)
          to[begin + j] = from[begin + j] + mask[begin + j] * first[j];
#pragma omp simd
        for (int64_t j = 0; j < rest; ++j)
          to[half + begin + j] = from[half + begin + j] + mask[half + begin + j] * second[j];
      } else {
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) to[begin + j] = from[begin + j] + first[j];
#pragma omp simd
        for (int64_t j = 0; j < rest; ++j) to[half + begin + j] = from[half + begin + j] + second[j];
      }
    }
  }
}

// out = x / (1 − rate), or 0 with the chance `rate`; `also`, if any, in the same places and by the same factor.
template <class T>
void dropout(int64_t n, int64_t d, const T* x, int64_t ldx, const int64_t* draw, int64_t stream, double rate,
             T* out, int64_t ldo, T* also, int64_t lda) {
  const uint64_t start = stream_start(draw, stream);
  const int64_t half = (d + 1) / 2;
  const uint64_t least = static_cast<uint64_t>(std::llrint(rate * 0x1p31));
  const int32_t limit = static_cast<int32_t>(std::min<uint64_t>(least, 0x7fffffffu));
  const T kept = T(1.0 / (1.0 - rate));
  int32_t high[kBlock], low[kBlock];
  T factor[kBlock];
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t begin = 0; begin < half; begin += kBlock) {
      const int64_t count = std::min(kBlock, half - begin);
#pragma omp simd
      for (int64_t j = 0; j < count; ++j) {
        const uint64_t drawn = splitmix64(start + static_cast<uint64_t>(i * half + begin + j + 1) * kGolden);
        high[j] = static_cast<int32_t>(drawn >> 33);
        low[j] = static_cast<int32_t>((drawn >> 2) & 0x7fffffffu);
      }
      for (int64_t side = 0; side < 2; ++side) {
        const int64_t place = begin + side * half;
        const int64_t these = side ? std::min(count, d - half - begin) : count;
        const int32_t* number = side ? low : high;
        const T* from = x + i * ldx + place;
        T* to = out + i * ldo + place;
#pragma omp simd
        for (int64_t j = 0; j < these; ++j) factor[j] = number[j] < limit ? T(0) : kept;
#pragma omp simd
        for (int64_t j = 0; j < these; ++j) to[j] = from[j] * factor[j];
        if (!also) continue;
        T* other = also + i * lda + place;
#pragma omp simd
        for (int64_t j = 0; j < these; ++j) other[j] *= factor[j];
      }
    }
  }
}

}  // namespace
