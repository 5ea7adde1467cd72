#include "services/analytics/core/spool_state.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/crc32c.hpp"
#include "libs/base/encoding.hpp"
#include "services/analytics/core/record.hpp"

#include <array>

namespace vora::analytics {

namespace {

constexpr std::string_view first_line = "vora event spool 1\n";
constexpr std::string_view dropped_prefix = "dropped_";

struct number_field {
    std::string_view name;
    std::uint64_t spool_state::* member;
};
constexpr std::array<number_field, 5> numbers = {{{"sequence", &spool_state::sequence},
                                                  {"segment", &spool_state::segment},
                                                  {"offset", &spool_state::offset},
                                                  {"row", &spool_state::row},
                                                  {"plan_end", &spool_state::plan_end}}};

std::string line(std::string_view name, std::string_view value) {
    return std::string(name) + " " + std::string(value) + "\n";
}

void set_dropped(totals& t, std::string_view reason, std::uint64_t n) {
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        if (drop_reason_names[i] == reason) {
            t.dropped[i] = n;
        }
    }
}

bool set_field(spool_state& s, std::string_view name, std::string_view value) {
    if (name == "spool") {
        s.spool_id = value;
        return value.size() == spool_id_bytes;
    }
    const auto n = parse_uint(value);
    if (!n) {
        return false;
    }
    for (const auto& field : numbers) {
        if (field.name == name) {
            s.*field.member = *n;
            return true;
        }
    }
    if (name == "stored") {
        s.settled.stored = *n;
    } else if (name.starts_with(dropped_prefix)) {
        set_dropped(s.settled, name.substr(dropped_prefix.size()), *n);
    }
    return true;  // a later version's field is no damage
}

}  // namespace

std::string encode_state(const spool_state& s) {
    std::string text(first_line);
    text += line("spool", s.spool_id);
    for (const auto& field : numbers) {
        text += line(field.name, std::to_string(s.*field.member));
    }
    text += line("stored", std::to_string(s.settled.stored));
    for (std::size_t i = 0; i < drop_reasons; ++i) {
        if (s.settled.dropped[i] > 0) {
            text += line(std::string(dropped_prefix) + std::string(drop_reason_names[i]),
                         std::to_string(s.settled.dropped[i]));
        }
    }
    text += line("crc32c", std::to_string(crc32c(text)));
    VORA_ASSERT(text.size() <= state_bytes_max);
    return text;
}

std::optional<spool_state> parse_state(std::string_view text) {
    if (!text.starts_with(first_line)) {
        return std::nullopt;
    }
    spool_state s;
    std::size_t at = first_line.size();
    for (;;) {
        const auto end = text.find('\n', at);
        const auto one = text.substr(at, end == std::string_view::npos ? 0 : end - at);
        const auto space = one.find(' ');
        if (space == std::string_view::npos) {
            return std::nullopt;
        }
        const auto name = one.substr(0, space);
        const auto value = one.substr(space + 1);
        if (name == "crc32c") {
            const bool right = value == std::to_string(crc32c(text.substr(0, at)));
            return right && s.spool_id.size() == spool_id_bytes ? std::optional(s) : std::nullopt;
        }
        if (!set_field(s, name, value)) {
            return std::nullopt;
        }
        at = end + 1;
    }
}

}  // namespace vora::analytics
