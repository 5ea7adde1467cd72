#include "services/upload/core/part_plan.hpp"

#include "libs/base/encoding.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace vora::upload {

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t part_bytes_min = 8 * mebibyte;
constexpr std::uint64_t parts_max = 10'000;
constexpr std::string_view tail_prefix = ".tail-";
constexpr std::size_t number_width = 20;

std::uint64_t divide_up(std::uint64_t n, std::uint64_t by) {
    return n / by + (n % by != 0 ? 1 : 0);
}

// Of exactly number_width digits; leading zeros are part of the form here.
std::optional<std::uint64_t> padded_number(std::string_view digits) {
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
    auto n = parse_uint(digits);
    return n ? std::optional(*n) : std::nullopt;
}

}  // namespace

std::uint64_t part_bytes_for(std::uint64_t length) {
    return std::max(part_bytes_min, divide_up(divide_up(length, parts_max), mebibyte) * mebibyte);
}

extent part_plan::part(std::uint64_t index) const {
    const auto from = std::min(index * part_bytes, length);
    return {from, std::min(from + part_bytes, length)};
}

std::vector<blob::part_info> part_plan::full_run(const std::vector<blob::part_info>& stored) const {
    auto sorted = stored;
    std::ranges::sort(sorted, {}, &blob::part_info::number);
    std::vector<blob::part_info> run;
    for (auto& p : sorted) {
        if (p.number != run.size() + 1 || p.size_bytes != part(run.size()).size()) {
            break;
        }
        run.push_back(std::move(p));
    }
    return run;
}

std::uint64_t part_plan::tail_end(std::uint64_t index, const std::vector<extent>& tails) const {
    const auto whole = part(index);
    auto end = whole.from;
    for (bool grown = true; grown;) {
        grown = false;
        for (const auto& t : tails) {
            if (t.from <= end && t.to > end && t.from >= whole.from) {
                end = t.to;
                grown = true;
            }
        }
    }
    return std::min(end, whole.to);
}

std::string tail_name(extent e) {
    char text[64];
    std::snprintf(text, sizeof text, ".tail-%020" PRIu64 "-%020" PRIu64, e.from, e.to);
    return text;
}

std::optional<extent> parse_tail_name(std::string_view name) {
    if (!name.starts_with(tail_prefix) ||
        name.size() != tail_prefix.size() + 2 * number_width + 1) {
        return std::nullopt;
    }
    name.remove_prefix(tail_prefix.size());
    const auto from = padded_number(name.substr(0, number_width));
    const auto to = padded_number(name.substr(number_width + 1));
    if (name[number_width] != '-' || !from || !to || *from >= *to) {
        return std::nullopt;
    }
    return extent{*from, *to};
}

}  // namespace vora::upload
