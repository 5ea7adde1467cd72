#pragma once
// gzip (RFC 1952) of bytes in memory. Blocking: for the pool, when there are many.

#include "libs/base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace vora::compress {

// The fastest level: it is for the way, not for keeping.
std::string gzip(std::string_view bytes);

// invalid_argument ("bad_gzip": not one whole gzip member and nothing behind it),
// resource_exhausted ("gzip_too_large": more than bytes_max come out).
result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max);

}  // namespace vora::compress
