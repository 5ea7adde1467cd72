#include "services/gateway/handlers/conditional.hpp"

#include <algorithm>
#include <limits>

namespace vora::gateway {

namespace {

constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Whether the list ("*" or comma-separated entity tags) names the etag. Weakly: W/ is looked past.
bool names(std::string_view list, std::string_view etag, bool weakly) {
    list = trimmed(list);
    if (list == "*") {
        return true;
    }
    while (!list.empty()) {
        const bool weak = list.starts_with("W/");
        if (weak) {
            list.remove_prefix(2);
        }
        // The text between the quotes may hold commas.
        const auto end = list.starts_with('"') ? list.find('"', 1) : std::string_view::npos;
        if (end == std::string_view::npos) {
            return false;
        }
        if ((weakly || !weak) && list.substr(0, end + 1) == etag) {
            return true;
        }
        list = trimmed(list.substr(end + 1));
        if (!list.starts_with(',')) {
            return false;
        }
        list = trimmed(list.substr(1));
    }
    return false;
}

// Digits only; a number beyond 64 bits is as good as the largest.
std::optional<std::uint64_t> digits_of(std::string_view text) {
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        const auto digit = static_cast<std::uint64_t>(c - '0');
        value = value > (unlimited - digit) / 10 ? unlimited : value * 10 + digit;
    }
    return text.empty() ? std::nullopt : std::optional(value);
}

// "bytes=..." with one range; nullopt when the field is to be ignored.
std::optional<std::string_view> single_range(std::string_view field) {
    constexpr std::string_view unit = "bytes=";
    field = trimmed(field);
    if (field.size() < unit.size() ||
        !std::ranges::equal(field.substr(0, unit.size()), unit, [](char a, char b) {
            return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
        })) {
        return std::nullopt;
    }
    field = trimmed(field.substr(unit.size()));
    if (field.find(',') != std::string_view::npos || field.find('-') == std::string_view::npos) {
        return std::nullopt;
    }
    return field;
}

verdict evaluate_range(std::string_view field, std::uint64_t size_bytes) {
    const auto spec = single_range(field);
    if (!spec) {
        return {};
    }
    const auto dash = spec->find('-');
    const auto first_text = trimmed(spec->substr(0, dash));
    const auto last_text = trimmed(spec->substr(dash + 1));
    const verdict unsatisfiable{416, {}};
    if (first_text.empty()) {
        const auto suffix = digits_of(last_text);
        if (!suffix) {
            return {};
        }
        const std::uint64_t length = std::min(*suffix, size_bytes);
        return length == 0 ? unsatisfiable : verdict{206, {size_bytes - length, length}};
    }
    const auto first = digits_of(first_text);
    const auto last = last_text.empty() ? std::optional(unlimited) : digits_of(last_text);
    if (!first || !last || *last < *first) {
        return {};
    }
    if (*first >= size_bytes) {
        return unsatisfiable;
    }
    return {206, {*first, std::min(*last, size_bytes - 1) - *first + 1}};
}

}  // namespace

verdict evaluate(const conditions& c, std::string_view etag, std::uint64_t size_bytes) {
    if (!c.if_match.empty() && !names(c.if_match, etag, false)) {
        return {412, {}};
    }
    if (!c.if_none_match.empty() && names(c.if_none_match, etag, true)) {
        return {304, {}};
    }
    // A date can never be told to match: no Last-Modified is sent.
    if (c.range.empty() || (!c.if_range.empty() && trimmed(c.if_range) != etag)) {
        return {};
    }
    return evaluate_range(c.range, size_bytes);
}

}  // namespace vora::gateway
