#pragma once
// One connection to PostgreSQL, statements on it, and the one place where its errors become ours.
// A connection that is lost stays lost. Private to the adapter; blocking.

#include "services/metadata/adapters/postgres_target.hpp"
#include "services/metadata/adapters/sql_session.hpp"

#include <memory>
#include <string>

namespace vora::metadata {

class postgres_connection {
 public:
    // Tries the hosts in order from `first` on, each with its share of the time that is left.
    // Throws sql_failure (unavailable).
    postgres_connection(const postgres_target& target, std::size_t first, deadline_point deadline);
    ~postgres_connection();
    postgres_connection(const postgres_connection&) = delete;

    std::size_t host() const { return host_; }  // the one that answered
    int socket() const;
    bool is_open() const;

 private:
    friend class postgres_session;
    struct state;
    std::unique_ptr<state> state_;
    std::size_t host_ = 0;
};

// Statements, each on its own or, from begin() on, in one transaction. What is not committed at the
// end is rolled back.
class postgres_session final : public sql_session {
 public:
    explicit postgres_session(postgres_connection& connection) : connection_(connection) {}
    ~postgres_session() override;

    // All of these throw sql_failure. A commit that fails as `broken` may have been done.
    void begin();
    void commit();
    void run(const std::string& sql);  // without values: several statements, too
    sql_rows query(const std::string& sql, const sql_values& values) override;
    std::int64_t execute(const std::string& sql, const sql_values& values) override;
    const sql_dialect& dialect() const override { return dialect_; }

 private:
    postgres_connection& connection_;
    bool in_transaction_ = false;
    sql_dialect dialect_{" FOR UPDATE", " FOR UPDATE OF o SKIP LOCKED", true};
};

// "a = ? AND b = ?" -> "a = $1 AND b = $2". No statement of ours has a '?' in a literal.
std::string with_numbered_parameters(const std::string& sql);

}  // namespace vora::metadata
