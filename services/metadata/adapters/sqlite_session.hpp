#pragma once
// Statements on one SQLite connection. Private to the adapter.

#include "services/metadata/adapters/sql_session.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

namespace vora::metadata {

class sqlite_session final : public sql_session {
 public:
    explicit sqlite_session(SQLite::Database& db) : db_(db) {}
    sql_rows query(const std::string& sql, const sql_values& values) override;
    std::int64_t execute(const std::string& sql, const sql_values& values) override;
    const sql_dialect& dialect() const override { return dialect_; }

 private:
    SQLite::Database& db_;
    sql_dialect dialect_;
};

}  // namespace vora::metadata
