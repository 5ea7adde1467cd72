#pragma once
// PlaybackEvents in ClickHouse (contracts/events). Rows go over its HTTP interface as RowBinary
// with a deduplication token.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "services/analytics/core/ports.hpp"

namespace vora::clickhouse {
class client;
}

namespace vora::analytics {

class clickhouse_event_store final : public event_store {
 public:
    // `packing`: where rows are compressed before they are sent; null = they are sent as they are.
    clickhouse_event_store(clickhouse::client& engine, milliseconds insert_deadline,
                           blocking_pool* packing = nullptr)
        : engine_(engine), insert_deadline_(insert_deadline), packing_(packing) {}

    task<result<void>> prepare() override;
    task<result<void>> insert(std::string rows, std::string token) override;

 private:
    task<result<void>> create();

    clickhouse::client& engine_;
    milliseconds insert_deadline_;
    blocking_pool* packing_;
};

}  // namespace vora::analytics
