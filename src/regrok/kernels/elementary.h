// Elementary functions. Double takes the C library's; float has branch-free forms that vectorise.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

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

}  // namespace
