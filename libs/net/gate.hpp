#pragma once
// The strict request gate. Parses the raw head of a request before anything else sees it; whatever
// two parsers could read in two ways is refused, so that no request can hide inside another one.
// Pure functions over bytes: no sockets, no clock.

#include "libs/net/http.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::net {

struct gate_limits {
    std::size_t header_bytes_max = 16 * 1024;  // request line and fields together
    std::size_t header_fields_max = 100;
    std::size_t target_bytes_max = 8 * 1024;
};

// Why a head was refused. All texts are constants: nothing of the request is repeated.
struct refusal {
    int status = 400;         // 400, or 431 for size
    std::string_view reason;  // "bad_host": a small closed set, fit for a metrics label
    std::string_view detail;
};

struct request_head {
    std::string method;
    std::string path;      // percent-decoded once; "*" for OPTIONS *
    std::string raw_path;  // as sent, without the query
    std::vector<std::pair<std::string, std::string>> query;  // decoded, '+' is a space
    net::headers headers;
    std::string host;  // empty only on HTTP/1.0
    bool chunked = false;
    std::optional<std::uint64_t> content_length;
    bool keep_alive = true;
    bool expects_continue = false;
};

// Finds the end of a head in bytes that arrive piece by piece.
class head_scanner {
 public:
    explicit head_scanner(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    // `bytes` is all that arrived of this head so far: what the last call saw, and more. Returns
    // the size of the head with its empty line, or 0 while more is needed.
    std::expected<std::size_t, refusal> scan(std::string_view bytes);

 private:
    std::size_t bytes_max_;
    std::size_t at_ = 0;
    std::size_t line_start_ = 0;
};

// `head` is exactly what head_scanner found.
std::expected<request_head, refusal> parse_head(std::string_view head, const gate_limits& limits);

}  // namespace vora::net
