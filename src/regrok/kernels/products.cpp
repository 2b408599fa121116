// Matrix products C = A B or C += A B, float32 in and out.
//
// Two kinds of operands: float32, for CPUs with AVX512F, and float32 rounded to bfloat16, for those with
// AVX512-BF16, where AMX tiles are used if there are any. Sums are in float32; the order of the
// additions depends on K alone, so a row's bits do not depend on its place or on the other rows.
//
// Float32 products are taken here on every CPU with AVX512F, also where a BLAS may be faster: the
// arithmetic is then the same on all of them. (MKL takes its AVX2 path where the CPU is not Intel's.)
//
// Operands are packed into tiles of 16 rows of 64 bytes, 16 steps of the sum deep. A step is one number
// of a float32 operand and a pair of neighbours of a bfloat16 one: 32 bits in either case.

#include <cstdint>
#include <cstring>
#include <new>

#if defined(__AVX512F__)

#include <immintrin.h>

#if defined(__AMX_BF16__) && defined(__linux__)
#define REGROK_AMX 1
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using std::int64_t;

struct alignas(64) Tile {
  __m512i row[16];
};

// Memory that tile instructions read must be aligned; kept between calls, one thread per process.
class Buffer {
 public:
  Tile* get(int64_t tiles) {
    if (tiles > size_) {
      ::operator delete(data_, std::align_val_t(64));
      data_ = static_cast<Tile*>(::operator new(tiles * sizeof(Tile), std::align_val_t(64)));
      size_ = tiles;
    }
    return data_;
  }
  ~Buffer() { ::operator delete(data_, std::align_val_t(64)); }

 private:
  Tile* data_ = nullptr;
  int64_t size_ = 0;
};

struct Matrix {
  const float* data;
  int64_t rows, columns, ld;
};

inline __m512 load(const Matrix& x, int64_t row, int64_t column) {
  if (row >= x.rows || column >= x.columns) return _mm512_setzero_ps();
  const int64_t left = x.columns - column;
  const __mmask16 mask = left >= 16 ? __mmask16(0xffff) : __mmask16((1u << left) - 1);
  return _mm512_maskz_loadu_ps(mask, x.data + row * x.ld + column);
}

struct Float32 {
  static constexpr int kWidth = 1;  // numbers a step
  static constexpr bool kTiles = false;

  static int64_t steps(int64_t K) { return K; }

  static __m512i along(const Matrix& x, int64_t row, int64_t column) {
    return _mm512_castps_si512(load(x, row, column));
  }

  static __m512i across(const Matrix& x, int64_t row, int64_t column) { return along(x, row, column); }

  static __m512 add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }
};

#ifdef __AVX512BF16__

struct Bfloat16 {
  static constexpr int kWidth = 2;
  static constexpr bool kTiles = true;

  // One step of padding, if there is any, makes +0 of a sum that underflowed to -0; more change nothing.
  static int64_t steps(int64_t K) { return (K + 1) / 2 + (K % 32 != 0 && K % 32 < 31); }

  // 32 numbers, (first, second), as bfloat16.
  static __m512i rounded(__m512 first, __m512 second) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  }

  static __m512i along(const Matrix& x, int64_t row, int64_t column) {
    return rounded(load(x, row, column), load(x, row, column + 16));
  }

  static __m512i across(const Matrix& x, int64_t row, int64_t column) {
    alignas(64) static const std::uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(order),
                                    rounded(load(x, row, column), load(x, row + 1, column)));
  }

  static __m512 add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

#endif

// 16 rows of 16 steps that lie side by side: the layout of A's tiles.
template <class Kind>
inline void pack_along(const Matrix& x, int64_t row, int64_t column, Tile& tile) {
  for (int i = 0; i < 16; ++i) tile.row[i] = Kind::along(x, row + i, column);
}

// 16 steps that lie below each other, of 16 columns: the layout of B's tiles.
template <class Kind>
inline void pack_across(const Matrix& x, int64_t row, int64_t column, Tile& tile) {
  for (int i = 0; i < 16; ++i) tile.row[i] = Kind::across(x, row + Kind::kWidth * i, column);
}

// Transpose of a tile's 16 × 16 steps; it turns either layout into the other's of the transpose.
inline void transpose(Tile& tile) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(tile.row[i], tile.row[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(tile.row[i], tile.row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    tile.row[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
    tile.row[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
    tile.row[i + 4] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
    tile.row[i + 12] = _mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xdd);
  }
}

#ifdef REGROK_AMX

struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};
};

void configure() {
  TileConfiguration configuration;
  for (int i = 0; i < 8; ++i) configuration.bytes[i] = 64, configuration.rows[i] = 16;
  _tile_loadconfig(&configuration);
}

// C's 2 × 2 tiles are 0–3; A's two tiles 4, 5; B's two tiles 6, 7.
inline void block_of_tiles(int64_t depth, const Tile* a, const Tile* b, float* c, int64_t ld) {
  asm volatile("" ::: "memory");  // the tile intrinsics do not say that they read memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < depth; ++k) {
    _tile_loadd(4, a + k, 64);
    _tile_loadd(6, b + k, 64);
    _tile_loadd(7, b + depth + k, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + depth + k, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, ld * sizeof(float));
  _tile_stored(1, c + 16, ld * sizeof(float));
  _tile_stored(2, c + 16 * ld, ld * sizeof(float));
  _tile_stored(3, c + 16 * ld + 16, ld * sizeof(float));
  asm volatile("" ::: "memory");
}

// Asks the kernel for the tiles, once a process.
bool has_tiles() {
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool granted = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return granted;
}

#else

void configure() {}
void block_of_tiles(int64_t, const Tile*, const Tile*, float*, int64_t) {}
bool has_tiles() { return false; }

#endif

// Rows of a block in vector registers; only the first `rows` of kRows go to C. A's tiles may be those
// of its transpose (kTurned). Inlined, since a call costs a tenth where K is small.
template <class Kind, bool kTurned, int kRows, int kVectors>
[[gnu::always_inline]] inline void rows_of_vectors(int64_t steps, int64_t depth, const char* a,
                                                   const Tile* b, float* c, int64_t ld, int64_t rows,
                                                   int64_t columns, bool accumulate) {
  constexpr int kRow = kTurned ? 4 : 64, kStep = kTurned ? 64 : 4;
  __m512 sum[kRows][kVectors];
  for (auto& row : sum)
    for (__m512& x : row) x = _mm512_setzero_ps();
  for (int64_t k = 0; k < depth; ++k) {
    const char* x = a + k * sizeof(Tile);
    const int64_t left = steps - 16 * k, count = left < 16 ? left : 16;
    for (int64_t s = 0; s < count; ++s, x += kStep)
      for (int r = 0; r < kRows; ++r) {
        std::int32_t step;
        std::memcpy(&step, x + kRow * r, sizeof step);
        const __m512i repeated = _mm512_set1_epi32(step);
        for (int v = 0; v < kVectors; ++v)
          sum[r][v] = Kind::add(sum[r][v], repeated, b[v * depth + k].row[s]);
      }
  }
  const __mmask16 last = __mmask16(0xffff >> (16 * kVectors - columns));
  for (int r = 0; r < kRows && r < rows; ++r)
    for (int v = 0; v < kVectors; ++v) {
      float* const at = c + r * ld + 16 * v;
      const __mmask16 mask = v + 1 < kVectors ? __mmask16(0xffff) : last;
      if (accumulate) sum[r][v] = _mm512_maskz_loadu_ps(mask, at) + sum[r][v];
      _mm512_mask_storeu_ps(at, mask, sum[r][v]);
    }
}

// The same block, as far as C has it: 16 vectors of sums at a time, fewer for the last one or two rows.
template <class Kind, bool kTurned, int kVectors>
void block_of_vectors(int64_t steps, int64_t depth, const Tile* a, const Tile* b, float* c, int64_t ld,
                      int64_t rows, int64_t columns, bool accumulate, bool fetch) {
  constexpr int kRows = 16 / kVectors, kRow = kTurned ? 4 : 64;
  int64_t i = 0;
  const auto from = [&] {
    return reinterpret_cast<const char*>(a + (i / 16) * depth) + kRow * (i % 16);
  };
  for (; i + 2 < rows; i += kRows) {
    for (int r = 0; fetch && r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(c + (i + r) * ld + 16 * v, 1);
    rows_of_vectors<Kind, kTurned, kRows, kVectors>(steps, depth, from(), b, c + i * ld, ld, rows - i,
                                                    columns, accumulate);
  }
  if (i < rows)
    rows_of_vectors<Kind, kTurned, 2, kVectors>(steps, depth, from(), b, c + i * ld, ld, rows - i,
                                                columns, accumulate);
}

template <class Kind>
void product(int64_t M, int64_t N, int64_t K, const float* a, int64_t lda, bool a_transposed,
             const float* b, int64_t ldb, bool b_transposed, float* c, int64_t ldc, bool accumulate) {
  constexpr int64_t kDepth = 16 * Kind::kWidth;  // numbers a tile
  static thread_local Buffer a_buffer, b_buffer;
  const bool tiles = Kind::kTiles && has_tiles();
  if (!tiles && N < 8 && M > 8) {  // the columns of the transpose fill more of the vectors
    static thread_local Buffer buffer;
    float* const turned = reinterpret_cast<float*>(buffer.get((M * N + 255) / 256));
    product<Kind>(N, M, K, b, ldb, !b_transposed, a, lda, !a_transposed, turned, M, false);
    for (int64_t i = 0; i < M; ++i)
      for (int64_t j = 0; j < N; ++j)
        c[i * ldc + j] = accumulate ? c[i * ldc + j] + turned[j * M + i] : turned[j * M + i];
    return;
  }
  // Blocks are 2 × 2 tiles; vectors do not read those beyond the edge.
  const auto count = [tiles](int64_t n) { return tiles ? (n + 31) / 32 * 2 : (n + 15) / 16; };
  const int64_t steps = Kind::steps(K), depth = (K + kDepth - 1) / kDepth;
  const int64_t down = count(M), across = count(N);
  Tile* const b_tiles = b_buffer.get(across * depth);
  Tile* const a_tiles = a_buffer.get(down * depth);
  // Both operands are read in the order in which they are stored.
  if (b_transposed) {
    const Matrix B{b, N, K, ldb};
    for (int64_t j = 0; j < across; ++j)
      for (int64_t k = 0; k < depth; ++k) {
        pack_along<Kind>(B, 16 * j, kDepth * k, b_tiles[j * depth + k]);
        transpose(b_tiles[j * depth + k]);
      }
  } else {
    const Matrix B{b, K, N, ldb};
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t j = 0; j < across; ++j)
        pack_across<Kind>(B, kDepth * k, 16 * j, b_tiles[j * depth + k]);
  }
  if (a_transposed) {
    const Matrix A{a, K, M, lda};
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t i = 0; i < down; ++i) {
        pack_across<Kind>(A, kDepth * k, 16 * i, a_tiles[i * depth + k]);
        if (tiles) transpose(a_tiles[i * depth + k]);
      }
  }
  if (tiles) configure();
  // Large matrices come from a farther cache: what is needed next is fetched during the sums.
  constexpr int64_t kLarge = 256 * 1024 / sizeof(float);
  const bool fetch_a = !a_transposed && M * K >= kLarge, fetch_c = M * N >= kLarge;
  alignas(64) float result[32][32];
  for (int64_t i = 0; i < M; i += 32) {
    Tile* const a_block = a_tiles + (i / 16) * depth;
    const int64_t rows = M - i < 32 ? M - i : 32;
    if (!a_transposed) {  // just before use, so that the block is still in the nearest cache
      const Matrix A{a, M, K, lda};
      for (int64_t half = 0; half < 2 && i / 16 + half < down; ++half)
        for (int64_t k = 0; k < depth; ++k)
          pack_along<Kind>(A, i + 16 * half, kDepth * k, a_block[half * depth + k]);
    }
    for (int64_t j = 0; j < N; j += 32) {
      if (fetch_a) {  // this block's share of the next 32 rows
        const int64_t last = i + 64 < M ? i + 64 : M, to = i + 32 + 32 * (j + 32) / N;
        for (int64_t row = i + 32 + 32 * j / N; row < to && row < last; ++row)
          for (int64_t k = 0; k < K; k += 16)
            _mm_prefetch(reinterpret_cast<const char*>(a + row * lda + k), _MM_HINT_T1);
      }
      const Tile* b_block = b_tiles + (j / 16) * depth;
      const int64_t columns = N - j < 32 ? N - j : 32;
      float* const target = c + i * ldc + j;
      if (!tiles) {
        const auto block = a_transposed ? (columns > 16 ? block_of_vectors<Kind, true, 2>
                                                        : block_of_vectors<Kind, true, 1>)
                                        : (columns > 16 ? block_of_vectors<Kind, false, 2>
                                                        : block_of_vectors<Kind, false, 1>);
        block(steps, depth, a_block, b_block, target, ldc, rows, columns, accumulate, fetch_c);
      } else if (!accumulate && rows == 32 && columns == 32) {
        block_of_tiles(depth, a_block, b_block, target, ldc);
      } else {
        block_of_tiles(depth, a_block, b_block, result[0], 32);
        for (int64_t r = 0; r < rows; ++r) {
          float* const row = target + r * ldc;
          if (accumulate)
            for (int64_t s = 0; s < columns; ++s) row[s] += result[r][s];
          else
            std::memcpy(row, result[r], columns * sizeof(float));
        }
      }
    }
  }
#ifdef REGROK_AMX
  if (tiles) _tile_release();
#endif
}

}  // namespace

// (M, K) (K, N) -> (M, N); a transposed operand is stored as its transpose, ld between stored rows.
// Words: M, N, K; a, lda, transposed; b, ldb, transposed; c, ldc, accumulate (native.cpp's replay).
#define REGROK_PRODUCT(name, Kind)                                                                \
  extern "C" void regrok_product_##name(const int64_t* w) {                                       \
    product<Kind>(w[0], w[1], w[2], reinterpret_cast<const float*>(w[3]), w[4], w[5],             \
                  reinterpret_cast<const float*>(w[6]), w[7], w[8], reinterpret_cast<float*>(w[9]), \
                  w[10], w[11]);                                                                  \
  }

REGROK_PRODUCT(float32, Float32)
#ifdef __AVX512BF16__
REGROK_PRODUCT(bfloat16, Bfloat16)
#endif

#endif

// Which of the two there are.
extern "C" int regrok_has_product_float32() {
#ifdef __AVX512F__
  return 1;
#else
  return 0;
#endif
}

extern "C" int regrok_has_product_bfloat16() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}
