#include "services/analytics/core/row_binary.hpp"

#include "services/analytics/core/bytes.hpp"

namespace vora::analytics {

namespace {

void append_text(std::string& to, std::string_view text) {
    std::size_t n = text.size();
    while (n >= 0x80) {
        to.push_back(static_cast<char>(0x80 | (n & 0x7f)));
        n >>= 7;
    }
    to.push_back(static_cast<char>(n));
    to.append(text);
}

bool skip(std::string_view& bytes, std::size_t n) {
    if (bytes.size() < n) {
        return false;
    }
    bytes.remove_prefix(n);
    return true;
}

bool skip_text(std::string_view& bytes) {
    std::size_t n = 0;
    for (int shift = 0; shift < 28; shift += 7) {
        if (bytes.empty()) {
            return false;
        }
        const auto c = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        n |= static_cast<std::size_t>(c & 0x7f) << shift;
        if (c < 0x80) {
            return skip(bytes, n);
        }
    }
    return false;
}

}  // namespace

void append_row(std::string& to, const event& e) {
    append_u64(to, static_cast<std::uint64_t>(to_unix_ms(e.event_time)));
    append_text(to, e.video_id);
    append_text(to, e.user_id);
    append_text(to, e.event_type);
    append_text(to, e.session_id);
    append_u64(to, e.seq);
    append_u64(to, e.position_ms);
    append_u64(to, e.value);
    append_text(to, e.detail);
    append_u64(to, static_cast<std::uint64_t>(to_unix_ms(e.received_at)));
}

std::optional<std::size_t> row_length(std::string_view bytes) {
    std::string_view rest = bytes;
    const bool whole = skip(rest, 8) && skip_text(rest) && skip_text(rest) && skip_text(rest) &&
                       skip_text(rest) && skip(rest, 24) && skip_text(rest) && skip(rest, 8);
    return whole ? std::optional(bytes.size() - rest.size()) : std::nullopt;
}

std::optional<std::string_view> rows_between(std::string_view bytes, std::uint64_t from,
                                             std::uint64_t to) {
    std::size_t begin = 0;
    std::size_t end = 0;
    for (std::uint64_t row = 0; row < to; ++row) {
        const auto length = row_length(bytes.substr(end));
        if (!length) {
            return std::nullopt;
        }
        begin = row < from ? end + *length : begin;
        end += *length;
    }
    return bytes.substr(begin, end - begin);
}

}  // namespace vora::analytics
