#include "libs/durable/engine_embedded/inspection.hpp"

#include "libs/durable/engine_embedded/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <filesystem>

namespace vora::durable {

namespace {

constexpr int busy_timeout_ms = 1'000;

error to_error(const SQLite::Exception& e) {
    switch (e.getErrorCode()) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {errc::unavailable, "database_locked", e.what()};
        case SQLITE_READONLY:
            return {errc::unavailable, "database_read_only", e.what()};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {errc::data_loss, "database_damaged", e.what()};
        default:
            return {errc::unavailable, "database_unavailable", e.what()};
    }
}

int version_of(SQLite::Database& db) {
    return db.execAndGet("PRAGMA user_version").getInt();
}

int known_version() {
    SQLite::Database fresh(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    sql::migrate(fresh);
    return version_of(fresh);
}

result<void> check_open(SQLite::Database& db) {
    if (const int stored = version_of(db); stored > known_version()) {
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

result<void> check_engine_file(const std::string& path) {
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
        return fail(errc::not_found, "database_missing");
    }
    try {
        SQLite::Database db(path, SQLite::OPEN_READWRITE, busy_timeout_ms);
        return check_open(db);
    } catch (const SQLite::Exception& e) {
        return fail(to_error(e));
    } catch (const std::exception& e) {
        return fail(errc::data_loss, "database_damaged", e.what());
    }
}

result<std::vector<run_description>> list_runs_of(const std::string& path, const run_query& q) {
    try {
        SQLite::Database db(path, SQLite::OPEN_READWRITE, busy_timeout_ms);
        db.exec("PRAGMA query_only = ON");
        std::vector<run_description> all;
        for (const auto& row : sql::list_runs(db, q)) {
            all.push_back(sql::description_of(row));
        }
        return all;
    } catch (const SQLite::Exception& e) {
        return fail(to_error(e));
    } catch (const std::exception& e) {
        return fail(errc::data_loss, "database_damaged", e.what());
    }
}

}  // namespace vora::durable
