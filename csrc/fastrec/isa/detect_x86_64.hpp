// Which level of x86-64 may run here: what the processor has and what the system saves on a switch of tasks.
#pragma once

#include <cpuid.h>

#include <cstdint>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fastrec {

enum class X86Level { v1, v2, v3, v4, v4_vnni, v4_amx };

// Asks for tile registers, which Linux grants a process on request, since they enlarge what a signal saves.
inline bool request_tiles() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

inline X86Level detect_x86_level() {
  const auto has = [](unsigned value, unsigned mask) { return (value & mask) == mask; };
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return X86Level::v1;
  const unsigned leaf1_c = c;
  unsigned leaf7_b = 0, leaf7_c = 0, leaf7_d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    leaf7_b = b;
    leaf7_c = c;
    leaf7_d = d;
  }
  const unsigned extended_c = __get_cpuid(0x80000001u, &a, &b, &c, &d) ? c : 0;

  constexpr unsigned lahf = 1u << 0, lzcnt = 1u << 5;
  if (!has(leaf1_c, bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B)) return X86Level::v1;
  if (!has(extended_c, lahf)) return X86Level::v1;

  std::uint32_t saved = 0, unused = 0;  // XCR0: the registers that the system saves
  if (!has(leaf1_c, bit_OSXSAVE)) return X86Level::v2;
  __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
  constexpr std::uint32_t avx_state = 0x6, avx512_state = 0xe6;
  if (!has(saved, avx_state)) return X86Level::v2;
  if (!has(leaf1_c, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE)) return X86Level::v2;
  if (!has(leaf7_b, bit_AVX2 | bit_BMI | bit_BMI2) || !has(extended_c, lzcnt)) return X86Level::v2;

  if (!has(saved, avx512_state)) return X86Level::v3;
  if (!has(leaf7_b, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL)) return X86Level::v3;
  if (!has(leaf7_c, bit_AVX512VNNI)) return X86Level::v4;
  constexpr std::uint32_t tile_state = 0x60000;
  constexpr unsigned amx_tile = 1u << 24, amx_int8 = 1u << 25;
  const bool has_tiles = has(saved, tile_state) && has(leaf7_d, amx_tile | amx_int8) && request_tiles();
  return has_tiles ? X86Level::v4_amx : X86Level::v4_vnni;
}

}  // namespace fastrec
