#include "services/metadata/adapters/sqlite_session.hpp"

#include "services/metadata/adapters/sqlite_connection.hpp"

namespace vora::metadata {

namespace {

// Text is bound without a copy: `values` outlives the statement.
void bind(SQLite::Statement& q, const sql_values& values) {
    int index = 0;
    for (const auto& value : values) {
        ++index;
        if (const auto* text = std::get_if<std::string>(&value)) {
            q.bindNoCopy(index, *text);
        } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
            q.bind(index, *number);
        } else if (const auto* real = std::get_if<double>(&value)) {
            q.bind(index, *real);
        } else {
            q.bind(index);
        }
    }
}

sql_value value_of(const SQLite::Column& c) {
    if (c.isNull()) {
        return {};
    }
    if (c.isInteger()) {
        return c.getInt64();
    }
    if (c.isFloat()) {
        return c.getDouble();
    }
    return c.getString();
}

}  // namespace

sql_rows sqlite_session::query(const std::string& sql, const sql_values& values) {
    try {
        SQLite::Statement q(db_, sql);
        bind(q, values);
        sql_rows rows;
        while (q.executeStep()) {
            sql_values row;
            row.reserve(static_cast<std::size_t>(q.getColumnCount()));
            for (int i = 0; i < q.getColumnCount(); ++i) {
                row.push_back(value_of(q.getColumn(i)));
            }
            rows.emplace_back(std::move(row));
        }
        return rows;
    } catch (const SQLite::Exception& e) {
        throw sql_failure(to_error(e));
    }
}

std::int64_t sqlite_session::execute(const std::string& sql, const sql_values& values) {
    try {
        SQLite::Statement q(db_, sql);
        bind(q, values);
        return q.exec();
    } catch (const SQLite::Exception& e) {
        throw sql_failure(to_error(e));
    }
}

}  // namespace vora::metadata
