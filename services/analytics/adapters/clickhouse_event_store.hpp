#pragma once
// PlaybackEvents in ClickHouse (contracts/events). Rows go over its HTTP interface as RowBinary
// with a deduplication token.

#include "libs/base/clock.hpp"
#include "services/analytics/core/ports.hpp"

namespace vora::clickhouse {
class client;
}

namespace vora::analytics {

class clickhouse_event_store final : public event_store {
 public:
    clickhouse_event_store(clickhouse::client& engine, milliseconds insert_deadline)
        : engine_(engine), insert_deadline_(insert_deadline) {}

    task<result<void>> prepare() override;
    task<result<void>> insert(std::string rows, std::string token) override;

 private:
    task<result<void>> create();

    clickhouse::client& engine_;
    milliseconds insert_deadline_;
};

}  // namespace vora::analytics
