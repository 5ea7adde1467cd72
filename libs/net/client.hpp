#pragma once

#include "libs/base/async.hpp"
#include "libs/net/http.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace vora::net {

struct client_request {
    std::string method = "GET";
    std::string url;  // "http://HOST:PORT/path?query"
    net::headers headers;
    std::string body;
    // When set, `body` is unused: bytes are pulled from here and sent with Content-Length
    // stream_length.
    body_source* stream = nullptr;
    std::uint64_t stream_length = 0;
    // From connect to the last byte of the answer's header; then once more for the answer's body.
    std::chrono::milliseconds deadline{10'000};
    std::size_t body_bytes_max = 4 << 20;  // of the answer
    // Called after each piece of `stream` was handed to the socket, with the total so far.
    std::function<void(std::uint64_t bytes)> on_sent;
};

struct client_response {
    int status = 0;
    net::headers headers;
    std::string body;
};

// HTTP/1.1 client with a kept-alive pool per host. Does not follow redirects, does not retry except
// once when a kept-alive connection turns out to be dead before any byte of the answer. An answer
// that comes while the body is still being sent ends the sending. One loop; calls are independent
// of each other. Errors: unavailable ("connect_failed", "connection_lost", "bad_answer"),
// deadline_exceeded, resource_exhausted ("answer_too_large"), invalid_argument ("bad_url",
// "bad_header"); an error of `stream` is handed on as it is.
class client {
 public:
    explicit client(executor ex, std::size_t idle_per_host_max = 16);
    ~client();
    client(const client&) = delete;

    task<result<client_response>> send(client_request r);
    // Closes idle connections.
    void close();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace vora::net
