#define FASTREC_TABLE kernels_x86_64_v4_vnni
#include "fastrec/rows/table.hpp"
