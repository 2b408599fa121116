// Optimisers: runs × P elements, per-run hyper-parameters in double. See regrok.training.optim for the terms.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

using std::int64_t;

constexpr double kClipEpsilon = 1e-6;  // torch.nn.utils.clip_grad_norm_

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

}  // namespace
