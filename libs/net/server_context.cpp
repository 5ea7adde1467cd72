#include "libs/net/server_context.hpp"

#include "libs/base/clock.hpp"

#include <algorithm>

namespace vora::net {

namespace {

constexpr std::size_t shelf_buffers_max = 16;

std::string status_class(int status) {
    return std::to_string(status / 100) + "xx";
}

}  // namespace

server_metrics::server_metrics(obs::metrics& registry, std::string server)
    : connections_accepted(registry.counter("vora_http_connections_total",
                                            "HTTP connections accepted.", {{"server", server}})),
      connections_open(registry.gauge("vora_http_connections_open", "Open HTTP connections.",
                                      {{"server", server}})),
      received_bytes(registry.counter("vora_http_received_bytes_total",
                                      "Request body bytes received.", {{"server", server}})),
      sent_bytes(registry.counter("vora_http_sent_bytes_total", "Answer body bytes sent.",
                                  {{"server", server}})),
      registry_(registry),
      server_(std::move(server)) {}

void server_metrics::request_done(const std::string& method, const std::string& route, int status,
                                  double seconds) {
    const std::string label = route.empty() ? "none" : route;
    const std::string key = method + ' ' + label + ' ' + status_class(status);
    auto& slot = requests_[key];
    if (slot.count == nullptr) {
        slot.count = &registry_.counter("vora_http_requests_total", "HTTP requests answered.",
                                        {{"server", server_},
                                         {"method", method},
                                         {"route", label},
                                         {"status", status_class(status)}});
        slot.seconds = &registry_.histogram(
            "vora_http_request_seconds",
            "From the end of the request head to the last byte of the answer.",
            obs::seconds_buckets(), {{"server", server_}, {"method", method}, {"route", label}});
    }
    slot.count->add();
    slot.seconds->observe(seconds);
}

void server_metrics::refused(std::string_view reason) {
    registry_
        .counter("vora_http_refused_total", "Requests and connections refused before routing.",
                 {{"server", server_}, {"reason", std::string(reason)}})
        .add();
}

void server_metrics::cut(std::string_view reason) {
    registry_
        .counter("vora_http_connections_cut_total",
                 "Connections ended because the peer was too slow or silent.",
                 {{"server", server_}, {"reason", std::string(reason)}})
        .add();
}

buffer_shelf::buffer buffer_shelf::take() {
    if (free_.empty()) {
        return std::make_unique_for_overwrite<char[]>(buffer_bytes);
    }
    auto b = std::move(free_.back());
    free_.pop_back();
    return b;
}

void buffer_shelf::give_back(buffer b) {
    if (free_.size() < shelf_buffers_max) {
        free_.push_back(std::move(b));
    }
}

server_context::server_context(server_options o, router r, obs::logger l, obs::metrics& m)
    : options(std::move(o)),
      routes(std::move(r)),
      log(std::move(l)),
      metrics(m, options.name.empty() ? "http" : options.name) {}

gate_limits server_context::limits() const {
    return {options.header_bytes_max, options.header_fields_max, options.target_bytes_max};
}

rate_watch server_context::rate() const {
    return {options.rate_bytes_per_s_min, options.rate_grace, options.idle_timeout};
}

bool server_context::is_trusted(std::string_view peer) const {
    const auto& list = options.trusted_proxies;
    return std::find(list.begin(), list.end(), peer) != list.end();
}

const std::string& server_context::date() {
    const auto now = system_clock_source().now();
    const std::int64_t second = to_unix_ms(now) / 1000;
    if (second != date_second_) {
        date_second_ = second;
        date_ = to_http_date(now);
    }
    return date_;
}

}  // namespace vora::net
