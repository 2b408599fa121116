// Matrix products of bfloat16 operands: C = A B or C += A B, float32 in and out.
//
// The operands are rounded to bfloat16 and their products added in float32; the order of the
// additions depends on K alone. It takes a CPU with AVX512-BF16; AMX tiles are used where there are any.
//
// Operands are packed into tiles of 16 rows of 64 bytes: A as 16 × 32, B as 16 pairs of rows × 16.

#include <cstdint>
#include <cstring>
#include <new>

#if defined(__AVX512BF16__)

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

// 32 numbers, (first, second), as bfloat16.
inline __m512i rounded(__m512 first, __m512 second) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
}

// 16 rows of 32 neighbours in a row: the layout of A's tiles.
inline void pack_rows(const Matrix& x, int64_t row, int64_t column, Tile& tile) {
  for (int i = 0; i < 16; ++i)
    tile.row[i] = rounded(load(x, row + i, column), load(x, row + i, column + 16));
}

// 16 pairs of rows, interleaved, of 16 columns: the layout of B's tiles.
inline void pack_pairs(const Matrix& x, int64_t row, int64_t column, Tile& tile) {
  alignas(64) static const std::uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i interleave = _mm512_load_si512(order);
  for (int i = 0; i < 16; ++i)
    tile.row[i] = _mm512_permutexvar_epi16(
        interleave, rounded(load(x, row + 2 * i, column), load(x, row + 2 * i + 1, column)));
}

// Transpose of a tile's 16 × 16 pairs; it turns either layout into the other's of the transpose.
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

// The same 32 × 32 block in vector registers: 8 rows of two vectors at a time.
inline void block_of_vectors(int64_t depth, const Tile* a, const Tile* b, float* c, int64_t ld) {
  constexpr int kRows = 8;
  for (int64_t i = 0; i < 32; i += kRows) {
    __m512 sum[kRows][2];
    for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (int64_t k = 0; k < depth; ++k) {
      const __m512i* const rows = a[(i / 16) * depth + k].row + i % 16;
      const __m512i* const left = b[k].row;
      const __m512i* const right = b[depth + k].row;
      for (int pair = 0; pair < 16; ++pair) {
        const __m512bh b0 = reinterpret_cast<__m512bh>(left[pair]);
        const __m512bh b1 = reinterpret_cast<__m512bh>(right[pair]);
        for (int r = 0; r < kRows; ++r) {
          std::int32_t two;
          std::memcpy(&two, reinterpret_cast<const char*>(rows + r) + 4 * pair, sizeof two);
          const __m512bh x = reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
          sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, b0);
          sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, b1);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      _mm512_storeu_ps(c + (i + r) * ld, sum[r][0]);
      _mm512_storeu_ps(c + (i + r) * ld + 16, sum[r][1]);
    }
  }
}

}  // namespace

// (M, K) (K, N) -> (M, N); a transposed operand is stored as its transpose, ld between stored rows.
extern "C" void regrok_product(int64_t M, int64_t N, int64_t K, const float* a, int64_t lda,
                               int64_t a_transposed, const float* b, int64_t ldb,
                               int64_t b_transposed, float* c, int64_t ldc, int64_t accumulate) {
  static thread_local Buffer a_buffer, b_buffer;
  const int64_t depth = (K + 31) / 32, down = (M + 31) / 32 * 2, across = (N + 31) / 32 * 2;
  Tile* const b_tiles = b_buffer.get(across * depth);
  Tile* const a_tiles = a_buffer.get(down * depth);
  // Both operands are read in the order in which they are stored.
  if (b_transposed) {
    const Matrix B{b, N, K, ldb};
    for (int64_t j = 0; j < across; ++j)
      for (int64_t k = 0; k < depth; ++k) {
        pack_rows(B, 16 * j, 32 * k, b_tiles[j * depth + k]);
        transpose(b_tiles[j * depth + k]);
      }
  } else {
    const Matrix B{b, K, N, ldb};
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t j = 0; j < across; ++j) pack_pairs(B, 32 * k, 16 * j, b_tiles[j * depth + k]);
  }
  if (a_transposed) {
    const Matrix A{a, K, M, lda};
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t i = 0; i < down; ++i) {
        pack_pairs(A, 32 * k, 16 * i, a_tiles[i * depth + k]);
        transpose(a_tiles[i * depth + k]);
      }
  }
  const bool tiles = has_tiles();
  if (tiles) configure();
  alignas(64) float result[32][32];
  for (int64_t i = 0; i < M; i += 32) {
    Tile* const a_block = a_tiles + (i / 16) * depth;
    if (!a_transposed) {  // just before use, so that the block is still in the nearest cache
      const Matrix A{a, M, K, lda};
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t k = 0; k < depth; ++k)
          pack_rows(A, i + 16 * half, 32 * k, a_block[half * depth + k]);
    }
    for (int64_t j = 0; j < N; j += 32) {
      const Tile* b_block = b_tiles + (j / 16) * depth;
      const bool direct = !accumulate && i + 32 <= M && j + 32 <= N;
      float* const target = direct ? c + i * ldc + j : &result[0][0];
      const int64_t ld = direct ? ldc : 32;
      if (tiles)
        block_of_tiles(depth, a_block, b_block, target, ld);
      else
        block_of_vectors(depth, a_block, b_block, target, ld);
      if (!direct) {
        const int64_t rows = M - i < 32 ? M - i : 32, columns = N - j < 32 ? N - j : 32;
        for (int64_t r = 0; r < rows; ++r) {
          float* row = c + (i + r) * ldc + j;
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

extern "C" int regrok_has_product() { return 1; }

#else

extern "C" int regrok_has_product() { return 0; }

#endif
