#pragma once
// gRPC without its types: a service is a name and handlers that take and give message bytes. gRPC's
// own threads do the protocol; each call is handed to the loop, runs there as a coroutine like an
// HTTP request, and is handed back.

#include "libs/base/async.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::rpc {

// The numbers are gRPC's.
enum class code {
    ok = 0,
    cancelled = 1,
    unknown = 2,
    invalid_argument = 3,
    deadline_exceeded = 4,
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,
    resource_exhausted = 8,
    failed_precondition = 9,
    aborted = 10,
    out_of_range = 11,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    data_loss = 15,
    unauthenticated = 16,
};
std::string_view to_string(code c);  // "NOT_FOUND"
// The one table that maps errc to a gRPC status.
code code_of(errc e);

using fields = std::vector<std::pair<std::string, std::string>>;

struct call {
    std::string method;      // "CreateVideo"
    std::string request;     // the message's bytes
    fields metadata;         // names in lower case, a name may stand more than once
    std::string peer;        // address without port
    std::string request_id;  // x-request-id if sane, else new; echoed in the trailing metadata
};

struct answer {
    rpc::code code = rpc::code::ok;
    std::string message;  // ok: the message's bytes
    std::string text;     // else: for people
    std::string details;  // else: a serialized google.rpc.Status, or empty
    fields trailing;      // names in lower case
};

// A cancelled call (the client gave up, its deadline passed, the server stops) ends the coroutine
// at its next wait. An exception is INTERNAL.
using handler = std::function<task<answer>(call&)>;

struct service {
    std::string name;  // "vora.metadata.v1.VideoService"; its descriptor is linked in
    std::vector<std::pair<std::string, handler>> methods;  // unary ones
};

struct server_options {
    std::string address = "127.0.0.1:0";  // "HOST:PORT"; port 0 = any free one. No TLS
    std::string name;                     // metrics label
    std::size_t request_bytes_max = 1 << 20;
    std::size_t metadata_bytes_max = 16 * 1024;
    std::size_t calls_max = 256;                          // at once; more are UNAVAILABLE
    std::size_t calls_per_connection_max = 100;           // at once; more wait at the client
    std::size_t memory_bytes_max = 64 << 20;              // of gRPC's own buffers
    std::chrono::milliseconds call_max{30'000};           // longer: DEADLINE_EXCEEDED
    std::chrono::milliseconds idle_max{300'000};          // a connection without calls is closed
    std::chrono::milliseconds ping_interval_min{30'000};  // a client that pings more often is cut
    std::chrono::milliseconds drain_timeout{3'000};       // stop(): running calls get this long
};

// With reflection (v1alpha) and grpc.health.v1, where "" and every service are SERVING until
// stop().
class server {
 public:
    // The services' handlers outlive the server. The pool is used by stop() only.
    server(executor ex, blocking_pool& pool, server_options options, std::vector<service> services,
           obs::logger log, obs::metrics& metrics);
    ~server();  // stop() first, if it was started
    server(const server&) = delete;

    // unavailable ("rpc_listen_failed"): the port is taken or the address is none of ours.
    result<void> start();
    // The bound address, "127.0.0.1:41234"; empty before start().
    std::string address() const;
    // No new calls, running ones finished within drain_timeout, the rest cancelled.
    task<> stop();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::rpc
