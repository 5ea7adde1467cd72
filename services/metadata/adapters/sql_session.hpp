#pragma once
// The one statement interface that the repositories of both databases are written on: text with '?'
// for its parameters, values in, rows out. The SQL is the subset that SQLite and PostgreSQL share;
// what differs is in sql_dialect. Private to the adapters.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace vora::metadata {

using sql_value = std::variant<std::monostate, std::int64_t, double, std::string>;
using sql_values = std::vector<sql_value>;

inline sql_value sql_time(timestamp t) {
    return to_unix_ms(t);
}
inline sql_value sql_time(const std::optional<timestamp>& t) {
    return t ? sql_value(to_unix_ms(*t)) : sql_value();
}

// What a statement or a connection failed with. Thrown inside the adapters, never out of them.
struct sql_failure : std::runtime_error {
    explicit sql_failure(error e) : std::runtime_error(e.detail), what_failed(std::move(e)) {}

    error what_failed;
    // The transaction lost against another one (deadlock, serialization): all of it may run again.
    bool rerun = false;
    // Nothing more can be said on this connection.
    bool broken = false;
};

// Columns by number from 0. Throws std::runtime_error for a value of another type: a row that no
// version of ours wrote.
class sql_row {
 public:
    explicit sql_row(sql_values values) : values_(std::move(values)) {}

    bool is_null(std::size_t i) const {
        return std::holds_alternative<std::monostate>(values_.at(i));
    }
    std::int64_t integer(std::size_t i) const { return as<std::int64_t>(i); }
    bool flag(std::size_t i) const { return integer(i) != 0; }
    double real(std::size_t i) const {
        const auto* whole = std::get_if<std::int64_t>(&values_.at(i));
        return whole ? static_cast<double>(*whole) : as<double>(i);
    }
    const std::string& text(std::size_t i) const { return as<std::string>(i); }
    // Empty for NULL.
    std::string text_or_empty(std::size_t i) const { return is_null(i) ? "" : text(i); }
    timestamp time(std::size_t i) const { return from_unix_ms(integer(i)); }

 private:
    template <class T>
    const T& as(std::size_t i) const {
        if (const auto* value = std::get_if<T>(&values_.at(i))) {
            return *value;
        }
        throw std::runtime_error("column " + std::to_string(i) + " has an unexpected type");
    }
    sql_values values_;
};
using sql_rows = std::vector<sql_row>;

// What is added to a SELECT. SQLite has one writer at a time and needs neither.
struct sql_dialect {
    const char* hold_row = "";    // nobody else changes or holds the row until the end
    const char* claim_rows = "";  // of `o`: the same, but rows that somebody holds are left out
    bool shared = false;          // other processes may be using the database
};

class sql_session {
 public:
    virtual ~sql_session() = default;
    // Both throw sql_failure.
    virtual sql_rows query(const std::string& sql, const sql_values& values) = 0;
    // The number of rows that were changed.
    virtual std::int64_t execute(const std::string& sql, const sql_values& values) = 0;
    virtual const sql_dialect& dialect() const = 0;
};

// Runs f, which returns a result; what a database or a damaged row throws becomes an error.
template <class F>
auto guarded(F f) -> decltype(f()) {
    try {
        return f();
    } catch (const sql_failure& e) {
        return fail(e.what_failed);
    } catch (const std::exception& e) {
        return fail(errc::data_loss, "database_damaged", e.what());
    }
}

}  // namespace vora::metadata
