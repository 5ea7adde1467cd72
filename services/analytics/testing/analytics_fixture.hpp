#pragma once
// A whole analytics service on loopback over a real directory, and a ClickHouse with levers.

#include "libs/base/crypto.hpp"
#include "libs/clickhouse/client.hpp"
#include "services/analytics/app.hpp"
#include "services/analytics/core/event.hpp"
#include "services/analytics/testing/fake_clickhouse.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace vora::analytics::testing {

inline std::string event_json(std::uint64_t seq, const std::string& detail = "") {
    return R"({"event_type":"play","video_id":"v","seq":)" + std::to_string(seq) +
           R"(,"detail":")" + detail + "\"}";
}

inline std::string events_json(std::uint64_t from, std::uint64_t to) {
    std::string body = R"({"events":[)";
    for (auto i = from; i < to; ++i) {
        body += (i > from ? "," : "") + event_json(i);
    }
    return body + "]}";
}

class analytics_fixture : public ::testing::Test {
 protected:
    analytics_fixture();
    ~analytics_fixture() override;

    // A config whose times suit a test.
    config quick() const;
    void start() { start(quick()); }
    void start(config c);
    void stop();

    net::client_response send(const std::string& method, const std::string& body,
                              net::headers headers);
    int post(const std::string& body);
    // Runs the loop until f() or patience_ has passed.
    bool eventually(const std::function<bool()>& f);
    double metric(const std::string& line_start) const;
    double dropped(const std::string& reason) const {
        return metric("vora_analytics_events_dropped_total{reason=\"" + reason + "\"}");
    }
    double spooled() const { return metric("vora_analytics_events_spooled"); }
    double stored() const { return metric("vora_analytics_events_stored_total"); }
    double accepted() const { return metric("vora_analytics_events_accepted_total"); }
    void expect_balanced() const;
    // Each of [from, to) once.
    void expect_stored_once(std::uint64_t from, std::uint64_t to) const;
    std::vector<std::filesystem::path> segments() const;
    std::uint64_t spool_bytes() const;

    event_loop loop_;
    blocking_pool pool_{4};
    std::filesystem::path dir_;
    system_clock_source clock_;
    fake_clickhouse engine_;
    bool engine_there_ = true;
    spill_maker spill_;  // absent: the disk
    seconds patience_{10};
    std::unique_ptr<obs::metrics> metrics_;
    std::unique_ptr<net::client> client_;
    std::unique_ptr<clickhouse::client> clickhouse_;
    std::unique_ptr<app> app_;
    std::unique_ptr<net::server> front_;
};

}  // namespace vora::analytics::testing
