// Softmax over the logits: the loss with its gradient, and what an evaluation reads off.
//
// A row is worked on in a copy of whole vectors, whose padding is −∞: the exponentials of a scalar tail
// would cost more than all the others.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "elementary.h"

namespace {

using std::int64_t;

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

}  // namespace
