#pragma once
// One SQLite connection with the settings all of them have, the numbered migrations, and the one
// place where SQLite's errors become ours. Private to the adapter.

#include "libs/base/result.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

namespace vora::metadata {

struct sqlite_options {
    std::string path;
    int busy_timeout_ms = 1'500;
};

// WAL; every commit is on disk when it returns (synchronous FULL); foreign keys are kept.
class sqlite_connection {
 public:
    // Throws SQLite::Exception.
    sqlite_connection(const sqlite_options& options, bool writes);
    SQLite::Database& db() { return db_; }

 private:
    SQLite::Database db_;
};

// Locked, full, read-only or unreadable for now: unavailable. Damaged: data_loss. Else internal.
error to_error(const SQLite::Exception& e);

// Brings the schema up to date, each migration in a transaction. failed_precondition
// ("database_too_new") for a database of a later program.
result<void> migrate(SQLite::Database& db);

}  // namespace vora::metadata
