#define FASTREC_TABLE kernels_x86_64_v2
#include "fastrec/rows/table.hpp"
