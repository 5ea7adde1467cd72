#pragma once

#include "libs/base/async.hpp"
#include "libs/net/http.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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
    // When its data() is set, `body` is unused: these bytes, which the caller keeps alive, are sent
    // as they lie.
    std::span<const char> memory;
    // From connect to the last byte of the answer's header; then once more for the answer's body.
    std::chrono::milliseconds deadline{10'000};
    std::size_t body_bytes_max = 4 << 20;  // of the answer; send() only
    // Sends again when a kept connection turns out to be dead. Who has to know that the first may
    // have taken effect switches it off.
    bool repeats_on_dead_connection = true;
    // open() only: how long one read of the answer's body may wait.
    std::chrono::milliseconds stall{10'000};
    // Called after each piece of `stream` was handed to the socket, with the total so far.
    std::function<void(std::uint64_t bytes)> on_sent;
};

struct client_response {
    int status = 0;
    net::headers headers;
    std::string body;
};

// An answer whose body is pulled as it comes. Whoever drops it before the body's end closes the
// connection; at the end the connection serves again. read() fails with unavailable
// ("connection_lost", "bad_answer") or deadline_exceeded, and then for good.
class client_answer : public body_reader {
 public:
    virtual int status() const = 0;
    virtual const net::headers& headers() const = 0;
};

class transport_security;  // libs/net/tls.hpp makes one

// HTTP/1.1 client with a kept-alive pool per host. Does not follow redirects, does not retry except
// once when a kept-alive connection turns out to be dead before any byte of the answer. An answer
// that comes while the body is still being sent ends the sending. One loop; calls are independent
// of each other. Errors: unavailable ("connect_failed", "connection_lost", "bad_answer"),
// deadline_exceeded, resource_exhausted ("answer_too_large"), invalid_argument ("bad_url",
// "bad_header"); an error of `stream` is handed on as it is. With `security` it speaks https too.
class client {
 public:
    explicit client(executor ex, std::size_t idle_per_host_max = 16,
                    std::shared_ptr<transport_security> security = nullptr);
    ~client();
    client(const client&) = delete;

    task<result<client_response>> send(client_request r);
    // Returns when the head of the answer is here. An answer with a body whose end only the end of
    // the connection tells is bad_answer. The answer may outlive the client.
    task<result<std::unique_ptr<client_answer>>> open(client_request r);
    // Closes idle connections.
    void close();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace vora::net
