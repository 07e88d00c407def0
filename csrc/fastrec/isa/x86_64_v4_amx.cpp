// Only what matrix tiles serve: all else is VNNI's (list.hpp).
#include "fastrec/rows/head_in_tiles.hpp"
#include "fastrec/rows/screen.hpp"

namespace fastrec {

extern const TileKernels kernels_x86_64_v4_amx;
const TileKernels kernels_x86_64_v4_amx = {
    screen_block<float>,
    screen_block<double>,
    {cost_of_head_word_in_tiles, n_pairs_of_blocks, head_counts_in_tiles<std::uint16_t>,
     head_counts_in_tiles<std::int32_t>, head_tiles_scratch},
};

}  // namespace fastrec
