#include "services/metadata/adapters/postgres_inspection.hpp"

#include "services/metadata/adapters/postgres_connection.hpp"
#include "services/metadata/adapters/postgres_migrations.hpp"
#include "services/metadata/adapters/postgres_watchdog.hpp"

namespace vora::metadata {

namespace {

constexpr std::chrono::seconds patience{5};

result<void> inspect(postgres_connection& c) {
    postgres_session s(c);
    if (s.query("SELECT current_setting('transaction_read_only') = 'on'", {}).at(0).flag(0)) {
        return fail(errc::unavailable, "database_read_only", "it takes no writes: a standby?");
    }
    return check_schema(c);
}

}  // namespace

result<void> inspect_postgres(const std::string& url) {
    const auto target = parse_postgres_url(url);
    if (!target) {
        return fail(target.error());
    }
    const auto deadline = std::chrono::steady_clock::now() + patience;
    postgres_watchdog watchdog;
    return guarded([&]() -> result<void> {
        postgres_connection c(*target, 0, deadline);
        const postgres_watchdog::guard guard(watchdog, c.socket(), deadline);
        return inspect(c);
    });
}

}  // namespace vora::metadata
