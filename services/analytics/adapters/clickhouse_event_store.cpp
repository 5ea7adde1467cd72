#include "services/analytics/adapters/clickhouse_event_store.hpp"

#include "contracts/events/playback_events.hpp"
#include "libs/base/encoding.hpp"
#include "libs/base/fault_point.hpp"
#include "libs/clickhouse/client.hpp"
#include "libs/compress/gzip.hpp"

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

// Looks first: where somebody else has made the table, the right to make one is not needed.
task<result<void>> clickhouse_event_store::prepare() {
    auto seen = co_await engine_.query(look_at_columns(), {}, ddl_deadline);
    if (!seen && seen.error().reason == "clickhouse_no_table") {
        auto made = co_await create();
        if (!made) {
            co_return made;
        }
        seen = co_await engine_.query(look_at_columns(), {}, ddl_deadline);
    }
    if (!seen) {
        co_return fail(seen.error());
    }
    co_return result<void>{};
}

task<result<void>> clickhouse_event_store::create() {
    auto version = co_await engine_.version(ddl_deadline);
    if (!version) {
        co_return fail(version.error());
    }
    const auto year = parse_uint(std::string_view(*version).substr(0, version->find('.')));
    const bool is_old = year && *year < 20;
    auto made = co_await engine_.create_database(ddl_deadline);
    if (!made) {
        co_return made;
    }
    made = co_await engine_.execute(std::string(is_old ? table::create_playback_events_before_20
                                                       : table::create_playback_events),
                                    ddl_deadline);
    co_return made;
}

task<result<void>> clickhouse_event_store::insert(std::string rows, std::string token) {
    clickhouse::insert_request r;
    r.into = table::insert_into;
    r.format = "RowBinary";
    if (packing_ != nullptr) {
        r.rows =
            co_await packing_->run([whole = std::move(rows)] { return compress::gzip(whole); });
        r.encoding = "gzip";
    } else {
        r.rows = std::move(rows);
    }
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
