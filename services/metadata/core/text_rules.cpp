#include "services/metadata/core/text_rules.hpp"

#include "libs/base/encoding.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

std::size_t count_chars(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return !is_continuation(c); }));
}

// C0, DEL and C1 (U+0080..U+009F: C2 80..9F in UTF-8).
bool has_control(std::string_view utf8, std::string_view allowed) {
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto c = static_cast<unsigned char>(utf8[i]);
        const bool c0 = c < 0x20 || c == 0x7F;
        const bool c1 =
            c == 0xC2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xA0;
        if (c1 || (c0 && allowed.find(utf8[i]) == std::string_view::npos)) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<violation> check_title(std::string_view text) {
    if (!is_valid_utf8(text) || has_control(text, "")) {
        return violation{"bad_characters", "must be UTF-8 without control characters"};
    }
    if (text.empty()) {
        return violation{"too_short", "must have at least 1 character"};
    }
    if (count_chars(text) > title_chars_max) {
        return violation{"too_long", "must have at most 200 characters"};
    }
    return std::nullopt;
}

std::optional<violation> check_description(std::string_view text) {
    if (!is_valid_utf8(text) || has_control(text, "\t\n\r")) {
        return violation{"bad_characters",
                         "must be UTF-8 without control characters but tab and line ends"};
    }
    if (count_chars(text) > description_chars_max) {
        return violation{"too_long", "must have at most 5000 characters"};
    }
    return std::nullopt;
}

bool is_plausible_upload_id(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

std::string to_display_text(std::string_view text, std::size_t bytes_max) {
    if (!is_valid_utf8(text)) {
        return "";
    }
    auto end = std::min(text.size(), bytes_max);
    while (end < text.size() && end > 0 && is_continuation(text[end])) {
        --end;
    }
    std::string out(text.substr(0, end));
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return out;
}

}  // namespace vora::metadata
