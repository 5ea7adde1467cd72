#include "services/metadata/adapters/sqlite_inspection.hpp"

#include "services/metadata/adapters/sqlite_connection.hpp"

#include <sqlite3.h>

#include <filesystem>

namespace vora::metadata {

namespace {

constexpr int busy_timeout_ms = 1'000;

std::int64_t stored_version(SQLite::Database& db) {
    if (!db.tableExists("schema_version")) {
        return 0;
    }
    SQLite::Statement q(db, "SELECT version FROM schema_version");
    return q.executeStep() ? q.getColumn(0).getInt64() : 0;
}

std::int64_t known_version() {
    SQLite::Database fresh(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    return migrate(fresh) ? stored_version(fresh) : 0;
}

result<void> inspect(SQLite::Database& db) {
    const auto stored = stored_version(db);
    if (stored > known_version()) {
        return fail(errc::failed_precondition, "database_too_new",
                    "schema version " + std::to_string(stored) + ", this program knows " +
                        std::to_string(known_version()));
    }
    const std::string verdict = db.execAndGet("PRAGMA quick_check(1)").getString();
    if (verdict != "ok") {
        return fail(errc::data_loss, "database_damaged", verdict);
    }
    db.exec("BEGIN IMMEDIATE");
    db.exec("ROLLBACK");
    return {};
}

}  // namespace

result<void> inspect_database(const std::string& path) {
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
        return fail(errc::not_found, "database_missing");
    }
    try {
        SQLite::Database db(path, SQLite::OPEN_READWRITE, busy_timeout_ms);
        return inspect(db);
    } catch (const SQLite::Exception& e) {
        switch (e.getErrorCode()) {
            case SQLITE_BUSY:
            case SQLITE_LOCKED:
                return fail(errc::unavailable, "database_locked", e.what());
            case SQLITE_READONLY:
                return fail(errc::unavailable, "database_read_only", e.what());
            default:
                return fail(to_error(e));
        }
    } catch (const std::exception& e) {
        return fail(errc::data_loss, "database_damaged", e.what());
    }
}

}  // namespace vora::metadata
