#pragma once
// RFC 9110 sections 13 and 14 for objects with a strong ETag: what a request's conditions and range
// come to.

#include "libs/blob/blob.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vora::gateway {

// The values of the request's fields; empty = absent.
struct conditions {
    std::string if_match;
    std::string if_none_match;
    std::string if_range;
    std::string range;

    // Whether the answer may be one without a body.
    bool validates() const { return !if_match.empty() || !if_none_match.empty(); }
};

struct verdict {
    int status = 200;        // 200, 206, 304, 412 or 416
    blob::byte_range range;  // for 206
};

// `etag` is quoted. Several ranges, another unit and what is not a range at all are answered with
// the whole object, as the RFC allows; an unsatisfiable range is 416.
verdict evaluate(const conditions& c, std::string_view etag, std::uint64_t size_bytes);

}  // namespace vora::gateway
