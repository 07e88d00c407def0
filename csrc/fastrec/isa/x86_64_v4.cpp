#define FASTREC_TABLE kernels_x86_64_v4
#include "fastrec/rows/table.hpp"
