// The kernels of reference.py for one run on one CPU core, in float and double.
//
// Every matrix is row-major, given as a pointer and the distance between its rows (ld); n rows of d
// columns. Rows are processed in order with a fixed association of every sum, so a row's result
// depends neither on its place nor on what is computed beside it. Loops are plain; g++ turns those
// marked `omp simd` into vector code (-fopenmp-simd, no OpenMP runtime).
//
// The kernels lie in the headers beside this file, one concept each; here they are listed by name and
// called. All are one translation unit, compiled and loaded by native.py, so that where they lie changes
// nothing in what the compiler makes of them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "rows.h"
#include "activations.h"
#include "norms.h"
#include "softmax.h"
#include "attention.h"
#include "causal.h"
#include "noise.h"
#include "optimisers.h"

namespace {

using std::int64_t;

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
    ENTRY("gather_rows", gather_rows),
    ENTRY("scatter_rows", scatter_rows),
    ENTRY("attend_causal", attend_causal),
    ENTRY("attend_causal_backward", attend_causal_backward),
    ENTRY("attend_stream", attend_stream),
    ENTRY("attend_stream_backward", attend_stream_backward),
    ENTRY("noise", noise),
    ENTRY("dropout", dropout),
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
