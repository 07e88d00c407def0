// The instruction sets of this build, least first, and which of them the processor and the system can run.
#pragma once

#include "fastrec/kernels.hpp"

#if defined(__x86_64__)
#include "fastrec/isa/detect_x86_64.hpp"
#endif

namespace fastrec {

struct InstructionSet {
  const char* name;  // a value of FASTREC_ISA
  const Kernels* kernels;
  bool supported;
};

#if defined(__x86_64__)

extern const Kernels kernels_x86_64_v2, kernels_x86_64_v3, kernels_x86_64_v4, kernels_x86_64_v4_vnni;
extern const TileKernels kernels_x86_64_v4_amx;

// The kernels of VNNI, but for those that matrix tiles change.
inline const Kernels* with_matrix_tiles() {
  static const Kernels kernels = [] {
    Kernels table = kernels_x86_64_v4_vnni;
    static_cast<ScreenKernels<float>&>(table).block = kernels_x86_64_v4_amx.screen_float;
    static_cast<ScreenKernels<double>&>(table).block = kernels_x86_64_v4_amx.screen_double;
    static_cast<HeadKernels&>(table) = kernels_x86_64_v4_amx.head;
    return table;
  }();
  return &kernels;
}

constexpr int n_instruction_sets = 5;

inline InstructionSet instruction_set(int index) {
  const X86Level level = detect_x86_level();
  const InstructionSet sets[n_instruction_sets] = {
      {"x86-64-v2", &kernels_x86_64_v2, level >= X86Level::v2},
      {"x86-64-v3", &kernels_x86_64_v3, level >= X86Level::v3},
      {"x86-64-v4", &kernels_x86_64_v4, level >= X86Level::v4},
      {"x86-64-v4-vnni", &kernels_x86_64_v4_vnni, level >= X86Level::v4_vnni},
      {"x86-64-v4-amx", with_matrix_tiles(), level >= X86Level::v4_amx},
  };
  return sets[index];
}

#elif defined(__aarch64__)

extern const Kernels kernels_arm64;

constexpr int n_instruction_sets = 1;

inline InstructionSet instruction_set(int) { return {"arm64", &kernels_arm64, true}; }

#else
#error "fastrec knows x86-64 and arm64; docs/architecture.md says how to add an instruction set."
#endif

}  // namespace fastrec
