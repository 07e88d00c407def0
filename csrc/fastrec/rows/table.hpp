// Fills the table of one instruction set. A file of isa/ defines FASTREC_TABLE, the table's name, and includes this.
#include "fastrec/rows/dense.hpp"
#include "fastrec/rows/direct_solve.hpp"
#include "fastrec/rows/elastic_net.hpp"
#include "fastrec/rows/exact_scores.hpp"
#include "fastrec/rows/half_step.hpp"
#include "fastrec/rows/head_counts.hpp"
#include "fastrec/rows/item_similarity.hpp"
#include "fastrec/rows/nonnegative_solve.hpp"
#include "fastrec/rows/pack_items.hpp"
#include "fastrec/rows/relabel.hpp"
#include "fastrec/rows/row_losses.hpp"
#include "fastrec/rows/screen.hpp"
#include "fastrec/rows/sparse_top_k_product.hpp"
#include "fastrec/rows/summed_head.hpp"
#include "fastrec/rows/top_k.hpp"
#include "fastrec/rows/weighted_head.hpp"

namespace fastrec {

extern const Kernels FASTREC_TABLE;
const Kernels FASTREC_TABLE = {
    {top_k_dense<float>, top_k_csr<float>},
    {top_k_dense<double>, top_k_csr<double>},
    {item_norms<float>, rank_exactly<float>},
    {item_norms<double>, rank_exactly<double>},
    {assign_centres<float>, pack_panels<float>, screen_block<float>, screen_single<float>},
    {assign_centres<double>, pack_panels<double>, screen_block<double>, screen_single<double>},
    {sparse_top_k_product<float>},
    {sparse_top_k_product<double>},
    {sparse_top_k_product<std::int32_t>},
    {sparse_top_k_product<std::int64_t>},
    {cost_of_head_word, n_head_blocks, head_counts<std::uint16_t>, head_counts<std::int32_t>, 0},
    {words_alike, cost_of_weighted_word, cost_of_sums, n_weighted_blocks, near_sums},
    {count_in_head<float>, split_rows<float>, list_places<float>, add_stretch<float>, mirror_sums<float>},
    {count_in_head<double>, split_rows<double>, list_places<double>, add_stretch<double>, mirror_sums<double>},
    {count_in_head<std::int32_t>, split_rows<std::int32_t>, list_places<std::int32_t>, add_stretch<std::int32_t>,
     mirror_sums<std::int32_t>},
    {item_similarity<float, float>},
    {item_similarity<float, double>},
    {item_similarity<double, double>},
    {item_similarity<double, float>},
    {item_similarity<std::int32_t, float>},
    {item_similarity<std::int32_t, double>},
    {relabel<float>},
    {relabel<double>},
    {relabel<std::int32_t>},
    {multiply<float>, add_gram<float>},
    {multiply<double>, add_gram<double>},
    {multiply_in_double},
    {elastic_nets<float>},
    {elastic_nets<double>},
    {half_step<float>, entries_of_a_step, usual_steps_of<float>, add_sums<float>, sum_matrix<float>,
     direct_solve<float>, nonnegative_solve<float>, row_losses<float>},
    {half_step<double>, entries_of_a_step, usual_steps_of<double>, add_sums<double>, sum_matrix<double>,
     direct_solve<double>, nonnegative_solve<double>, row_losses<double>},
};

}  // namespace fastrec
