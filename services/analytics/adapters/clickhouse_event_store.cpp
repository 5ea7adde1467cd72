#include "services/analytics/adapters/clickhouse_event_store.hpp"

#include "contracts/events/playback_events.hpp"
#include "libs/base/fault_point.hpp"
#include "libs/clickhouse/client.hpp"

namespace vora::analytics {

namespace {

namespace table = contracts::events;
constexpr milliseconds ddl_deadline{10'000};

// "T (a, b)" as a query that fails when a column is not there and reads no row.
std::string look_at_columns() {
    constexpr auto open = table::insert_into.find(" (");
    constexpr auto name = table::insert_into.substr(0, open);
    constexpr auto columns =
        table::insert_into.substr(open + 2, table::insert_into.size() - open - 3);
    return "SELECT " + std::string(columns) + " FROM " + std::string(name) +
           " LIMIT 0 FORMAT RowBinary";
}

}  // namespace

task<result<void>> clickhouse_event_store::prepare() {
    for (const auto sql : {table::create_database, table::create_playback_events}) {
        auto made = co_await engine_.execute(std::string(sql), ddl_deadline);
        if (!made) {
            co_return made;
        }
    }
    auto seen = co_await engine_.query(look_at_columns(), {}, ddl_deadline);
    if (!seen) {
        co_return fail(seen.error());
    }
    co_return result<void>{};
}

task<result<void>> clickhouse_event_store::insert(std::string rows, std::string token) {
    clickhouse::insert_request r;
    r.into = table::insert_into;
    r.format = "RowBinary";
    r.rows = std::move(rows);
    r.token = std::move(token);
    r.deadline = insert_deadline_;
    fault_point("analytics.before_insert");
    auto stored = co_await engine_.insert(std::move(r));
    if (stored) {
        fault_point("analytics.after_insert");
    }
    co_return stored;
}

}  // namespace vora::analytics
