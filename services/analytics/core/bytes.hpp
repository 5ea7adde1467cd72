#pragma once
// Little-endian numbers in byte strings.

#include <cstdint>
#include <string>
#include <string_view>

namespace vora::analytics {

template <class Number>
void append_number(std::string& to, Number n) {
    char bytes[sizeof(Number)];
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        bytes[i] = static_cast<char>(n >> (8 * i));
    }
    to.append(bytes, sizeof bytes);
}
inline void append_u32(std::string& to, std::uint32_t n) {
    append_number(to, n);
}
inline void append_u64(std::string& to, std::uint64_t n) {
    append_number(to, n);
}

// The caller has checked that the bytes are there.
template <class Number>
Number number_at(std::string_view bytes, std::size_t at) {
    Number n = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        n |= static_cast<Number>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    }
    return n;
}
inline std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
    return number_at<std::uint32_t>(bytes, at);
}
inline std::uint64_t u64_at(std::string_view bytes, std::size_t at) {
    return number_at<std::uint64_t>(bytes, at);
}

}  // namespace vora::analytics
