#pragma once

#include "libs/base/async.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vora::net {

struct server_options {
    std::string address = "127.0.0.1:0";  // "HOST:PORT", "[::1]:PORT"; port 0 = any free one
    std::string name;  // metrics label and log field: "front", "internal", "admin"
    std::size_t connections_max = 4096;
    std::size_t connections_per_peer_max = 1024;
    std::size_t header_bytes_max = 16 * 1024;
    std::size_t header_fields_max = 100;
    std::size_t target_bytes_max = 8 * 1024;
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds idle_timeout{60'000};
    // A body or an answer slower than this, measured after the grace, ends the connection.
    std::uint64_t rate_bytes_per_s_min = 1024;
    std::chrono::milliseconds rate_grace{30'000};
    std::chrono::milliseconds drain_timeout{10'000};  // stop(): running requests get this long
    std::vector<std::string> trusted_proxies;         // addresses whose X-Forwarded-* count
    // What the gate refuses below this path can be read by pages of any origin (CORS), like all
    // that is answered there: "/play/". Empty: nowhere.
    std::string open_path;
};

// HTTP/1.1 with keep-alive, pipelining served in order, `Expect: 100-continue` answered when the
// handler first reads the body. What the gate refuses is answered (400, 431) and the connection
// closed. A body that a handler leaves unread closes the connection after the answer, unless a
// small rest of known length is left; the client can read the answer either way. Adds Date,
// X-Request-Id, X-Content-Type-Options: nosniff. Logs one line a request without query or grant.
class server {
 public:
    server(executor ex, server_options options, router routes, obs::logger log,
           obs::metrics& metrics);
    ~server();  // stop() first, if it was started
    server(const server&) = delete;

    // Binds only: address() is known from then on, connections wait in the backlog until start().
    // For an owner whose routes need the address. Optional: start() binds if this was not called.
    result<void> bind();
    // Before start() only: replaces the routes given to the constructor.
    void set_routes(router routes);
    // Binds and starts accepting. Errors: already_exists ("port_in_use"), permission_denied,
    // invalid_argument ("bad_address").
    result<void> start();
    // The bound address, "127.0.0.1:41234".
    std::string address() const;
    // No new connections, idle ones closed, running requests finished within drain_timeout, rest
    // cut.
    task<> stop();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace vora::net
