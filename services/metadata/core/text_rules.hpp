#pragma once
// What people may write. Lengths count Unicode code points.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vora::metadata {

inline constexpr std::size_t title_chars_max = 200;
inline constexpr std::size_t description_chars_max = 5000;

struct violation {
    std::string_view code;    // "too_short", "too_long", "bad_characters"
    std::string_view detail;  // for people
};

// 1..200, no control characters.
std::optional<violation> check_title(std::string_view text);
// 0..5000, no control characters but tab, line feed and carriage return.
std::optional<violation> check_description(std::string_view text);
// An upload id as it may stand in a URL path: [A-Za-z0-9_-]{1,128}.
bool is_plausible_upload_id(std::string_view text);
// At most `bytes_max`, cut at a code point, control characters as spaces: for texts of other
// programs.
std::string to_display_text(std::string_view text, std::size_t bytes_max);

}  // namespace vora::metadata
