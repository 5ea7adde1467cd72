#pragma once

#include <cstdint>
#include <string_view>

namespace vora {

// CRC-32C (Castagnoli): crc32c("123456789") = 0xe3069283. `before`: of the bytes that come before
// these; crc32c(b, crc32c(a)) = crc32c(a + b). Uses the processor's instruction where it has one;
// both ways give the same.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);
std::uint32_t crc32c_by_table(std::string_view bytes, std::uint32_t before = 0);

}  // namespace vora
