#define FASTREC_TABLE kernels_arm64
#include "fastrec/rows/table.hpp"
