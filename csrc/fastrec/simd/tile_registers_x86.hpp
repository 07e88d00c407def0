// The eight tile registers of AMX, each of 16 rows of 64 bytes.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace fastrec {
namespace {

constexpr int tile_rows = 16, tile_row_bytes = 64;

// The registers of the thread are in use as long as an object lives.
class TileRegisters {
 public:
  TileRegisters() noexcept {
    struct {
      std::uint8_t palette = 1, start = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } shapes;
    for (int tile = 0; tile < 8; ++tile) {
      shapes.rows[tile] = tile_rows;
      shapes.row_bytes[tile] = tile_row_bytes;
    }
    _tile_loadconfig(&shapes);
  }
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

// After writing what a tile will be loaded from: compilers do not know that loads of tiles read memory.
inline void tiles_read_memory() noexcept { __asm__ volatile("" : : : "memory"); }

}  // namespace
}  // namespace fastrec
