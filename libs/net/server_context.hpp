#pragma once
// What the connections of one server share. Private to libs/net.

#include "libs/net/gate.hpp"
#include "libs/net/server.hpp"
#include "libs/net/tcp_stream.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vora::net {

// Labels: server name, method, route pattern, status class, refusal reason. All from small closed
// sets.
class server_metrics {
 public:
    server_metrics(obs::metrics& registry, std::string server);

    void request_done(const std::string& method, const std::string& route, int status,
                      double seconds);
    void refused(std::string_view reason);
    // A connection that we ended because its peer was too slow or silent.
    void cut(std::string_view reason);

    obs::counter& connections_accepted;
    obs::gauge& connections_open;
    obs::counter& received_bytes;
    obs::counter& sent_bytes;

 private:
    struct request_metrics {
        obs::counter* count;
        obs::histogram* seconds;
    };
    obs::metrics& registry_;
    std::string server_;
    // Found again by text: the registry takes a lock and builds maps.
    std::unordered_map<std::string, request_metrics> requests_;
};

// Buffers of streamed answers: kept for the next one, a few at most.
class buffer_shelf {
 public:
    static constexpr std::size_t buffer_bytes = 256 * 1024;
    using buffer = std::unique_ptr<char[]>;

    buffer take();
    void give_back(buffer b);

 private:
    std::vector<buffer> free_;
};

struct server_context {
    server_context(server_options o, router r, obs::logger l, obs::metrics& m);

    gate_limits limits() const;
    rate_watch rate() const;
    bool is_trusted(std::string_view peer) const;
    const std::string& date();  // of the Date field, made once a second

    server_options options;
    router routes;
    obs::logger log;
    server_metrics metrics;
    buffer_shelf shelf;
    bool stopping = false;

 private:
    std::string date_;
    std::int64_t date_second_ = -1;
};

}  // namespace vora::net
