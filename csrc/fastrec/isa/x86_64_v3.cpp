#define FASTREC_TABLE kernels_x86_64_v3
#include "fastrec/rows/table.hpp"
