#pragma once
// The fixed part plan: part k (from 0) of an upload holds the bytes [k*P, (k+1)*P), P follows from
// the length alone. So the offset can be counted from what the store holds, gaps show, and sending
// a part twice is harmless. Bytes of a part that is not full yet lie in tail objects named by their
// byte range.

#include "libs/blob/blob.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vora::upload {

// max(8 MiB, ceil(length / 10000) rounded up to 1 MiB): at most 10,000 parts.
std::uint64_t part_bytes_for(std::uint64_t length);

// The bytes [from, to).
struct extent {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t size() const { return to - from; }
    bool operator==(const extent&) const = default;
};

struct part_plan {
    std::uint64_t length = 0;
    std::uint64_t part_bytes = 0;

    // Parts are counted from 0 here; the store counts from 1.
    std::uint64_t part_count() const { return (length + part_bytes - 1) / part_bytes; }
    extent part(std::uint64_t index) const;
    // The longest run of parts from the first that are stored whole. Never a sum over gaps.
    std::vector<blob::part_info> full_run(const std::vector<blob::part_info>& stored) const;
    // Where the durable bytes end that begin at part `index` and lie in these tails.
    std::uint64_t tail_end(std::uint64_t index, const std::vector<extent>& tails) const;
};

// ".tail-{from}-{to}", 20 digits each, so that lists come in order.
std::string tail_name(extent e);
std::optional<extent> parse_tail_name(std::string_view name);

}  // namespace vora::upload
