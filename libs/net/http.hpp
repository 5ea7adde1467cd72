#pragma once
// The typed HTTP interface that services see: request, pulled body, response. Sockets stay inside
// libs/net. Every request has passed the strict gate (gate.hpp) before a handler sees it.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::net {

// Field names compare without case; order is kept; a name may stand more than once.
class headers {
 public:
    void set(std::string_view name, std::string_view value);  // replaces
    void add(std::string_view name, std::string_view value);
    void remove(std::string_view name);
    // The first value, or nullopt.
    std::optional<std::string_view> get(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// A body that is pulled: the reader decides the pace, the socket waits (back-pressure).
class body_reader {
 public:
    virtual ~body_reader() = default;
    // Fills a prefix of `into`; 0 = the end. Errors: unavailable ("body_interrupted": the peer went
    // away, what was read so far is valid), deadline_exceeded ("body_too_slow"), resource_exhausted
    // ("body_too_large"), invalid_argument ("bad_chunk").
    virtual task<result<std::size_t>> read(std::span<char> into) = 0;
    // Content-Length, absent for chunked.
    virtual std::optional<std::uint64_t> length() const = 0;
};

// A body that is already in memory; body_of("") is the empty one.
std::unique_ptr<body_reader> body_of(std::string bytes);

// Reads all of it; resource_exhausted ("body_too_large") beyond bytes_max.
task<result<std::string>> read_all(body_reader& body, std::size_t bytes_max);

struct request {
    std::string method;    // after X-HTTP-Method-Override where the route allows it
    std::string path;      // percent-decoded once, starts with '/', no "..", no "//", no NUL
    std::string raw_path;  // as sent, without the query
    std::vector<std::pair<std::string, std::string>> query;   // decoded
    std::vector<std::pair<std::string, std::string>> params;  // filled by the router: {id} -> value
    net::headers headers;
    std::string request_id;  // X-Request-Id if sane, else new; echoed in every answer
    std::string peer;        // address without port, after trusted-proxy rules
    std::string scheme;      // "http" or "https" (trusted X-Forwarded-Proto)
    std::string host;        // Host as sent
    std::string route;       // filled by the router: the pattern that matched, for logs and metrics
    body_reader* body = nullptr;  // never null in a handler

    std::string_view param(std::string_view name) const;  // must exist in the route
    std::optional<std::string_view> query_value(std::string_view name) const;
};

// A response body that is pulled by the connection. Length is always known for media.
class body_source {
 public:
    virtual ~body_source() = default;
    // Fills a prefix of `into`; 0 = the end. An error cuts the connection: never a short 200.
    virtual task<result<std::size_t>> read(std::span<char> into) = 0;
};

struct response {
    int status = 200;
    net::headers headers;
    std::string body;
    // When set, `body` is unused and Content-Length is `stream_length`.
    std::unique_ptr<body_source> stream;
    std::uint64_t stream_length = 0;
    bool close = false;      // close the connection after this answer
    std::string log_detail;  // for the log line of this request only, never sent; no secrets

    static response text(int status, std::string body,
                         std::string_view content_type = "text/plain; charset=utf-8");
    static response json(int status, std::string body);
    static response empty(int status);
};

// "Not Found" for 404; a general word for a status without one.
std::string_view reason_phrase(int status);

using handler = std::function<task<response>(request&)>;

}  // namespace vora::net
