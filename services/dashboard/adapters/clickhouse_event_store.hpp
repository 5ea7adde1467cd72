#pragma once
// The figures out of ClickHouse: one statement each for one video, for several and for all, of the
// same text but for the condition. Reads the table that contracts/events describes.
//
// A session is grouped whole (its first play, its stalls, the order of its renditions and
// heartbeats), then sessions are added up. Sums are Float64: exact to 2^53 ms, and no hostile value
// makes them wrap.

#include "libs/clickhouse/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/dashboard/core/analytics.hpp"

#include <chrono>

namespace vora::dashboard {

class clickhouse_event_store final : public event_store {
 public:
    clickhouse_event_store(clickhouse::client& engine, std::chrono::milliseconds deadline,
                           obs::logger log, obs::metrics& metrics);
    task<result<analytics_report>> figures(video_selection videos, time_window window) override;

 private:
    task<result<std::string>> query(video_selection videos, time_window window);
    void note(const result<std::string>& answer);

    clickhouse::client& engine_;
    std::chrono::milliseconds deadline_;
    obs::logger log_;
    obs::counter& answered_;
    obs::counter& failed_;
    obs::histogram& duration_;
    bool away_ = false;
};

// The one row of the answer, a JSON array; internal ("bad_figures") when it has another form.
result<analytics_report> parse_figures(const std::string& row);

}  // namespace vora::dashboard
