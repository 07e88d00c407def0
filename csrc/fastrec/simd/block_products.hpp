// What multiplies blocks of queries with panels of items: matrix tiles where the processor has them, else vectors.
#pragma once

#include "fastrec/simd/dot_tile.hpp"

#if defined(__AMX_INT8__)
#include "fastrec/simd/tile_products_x86.hpp"
#endif

namespace fastrec {
namespace {

#if defined(__AMX_INT8__)
using BlockProducts = TileProducts;
#else
using BlockProducts = VectorProducts<tile_queries / 2, 1>;
#endif

}  // namespace
}  // namespace fastrec
