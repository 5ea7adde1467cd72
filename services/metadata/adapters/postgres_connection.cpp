#include "services/metadata/adapters/postgres_connection.hpp"

#include <libpq-fe.h>
#include <pqxx/pqxx>

#include <array>
#include <charconv>
#include <string_view>

namespace vora::metadata {

namespace {

// Types of columns, as PostgreSQL numbers them (pg_type.dat; they never change).
constexpr pqxx::oid bool_oid = 16;
constexpr pqxx::oid int8_oid = 20;
constexpr pqxx::oid int4_oid = 23;
constexpr pqxx::oid float8_oid = 701;

// libpqxx opens connections through a policy; this one hands over a connection that is there, once:
// a lost connection is not to come back behind our back, in the middle of a transaction.
thread_local postgres_handle* handed_over = nullptr;

class hand_over : public pqxx::connectionpolicy {
 public:
    using pqxx::connectionpolicy::connectionpolicy;
    handle do_startconnect(handle original) override {
        if (original == nullptr && handed_over != nullptr) {
            return handed_over->release();
        }
        return original;
    }
};

error away(const std::string& why) {
    // The first line; the others may quote rows.
    return {errc::unavailable, "database_unavailable", why.substr(0, why.find('\n'))};
}

sql_failure lost(const std::string& why) {
    sql_failure f(away(why));
    f.broken = true;
    return f;
}

sql_failure to_rerun(const std::string& why) {
    sql_failure f(away(why));
    f.rerun = true;
    return f;
}

sql_failure failure_of(const pqxx::sql_error& e) {
    const std::string_view state = e.sqlstate();
    const auto why = std::string(state) + " " + away(e.what()).detail;
    if (state == "40001" || state == "40P01") {
        return to_rerun(why);
    }
    // Ended by the server (57P0x, 25P03); a standby that was the primary (25006).
    if (state.starts_with("57P") || state == "25P03" || state == "25006") {
        return lost(why);
    }
    // Connection, resources (a full disk), statement or lock took too long, system, rights.
    for (const auto passing : {"08", "53", "57", "58"}) {
        if (state.starts_with(passing)) {
            return sql_failure(away(why));
        }
    }
    if (state == "55P03") {
        return sql_failure(away(why));
    }
    if (state == "22021" || state == "22P05") {
        return sql_failure({errc::invalid_argument, "bad_characters", "the text cannot be kept"});
    }
    if (state.starts_with("XX00")) {
        return sql_failure({errc::data_loss, "database_damaged", why});
    }
    return sql_failure({errc::internal, "database_error", why});
}

// Runs f; what libpqxx throws becomes a sql_failure.
template <class F>
auto translated(F f) -> decltype(f()) {
    try {
        return f();
    } catch (const pqxx::broken_connection& e) {
        throw lost(e.what());
    } catch (const pqxx::in_doubt_error& e) {
        throw lost(e.what());
    } catch (const pqxx::serialization_failure& e) {
        throw to_rerun(e.what());
    } catch (const pqxx::deadlock_detected& e) {
        throw to_rerun(e.what());
    } catch (const pqxx::transaction_rollback& e) {
        throw lost(e.what());
    } catch (const pqxx::sql_error& e) {
        throw failure_of(e);
    } catch (const pqxx::failure& e) {
        throw lost(e.what());
    }
}

sql_value value_of(const pqxx::field& f) {
    if (f.is_null()) {
        return {};
    }
    const std::string_view text(f.c_str(), f.size());
    switch (f.type()) {
        case bool_oid:
            return std::int64_t{text == "t"};
        case int4_oid:
        case int8_oid: {
            std::int64_t number = 0;
            std::from_chars(text.data(), text.data() + text.size(), number);
            return number;
        }
        case float8_oid: {
            double number = 0;
            std::from_chars(text.data(), text.data() + text.size(), number);
            return number;
        }
        default:
            return std::string(text);
    }
}

// The texts of the values, as libpq takes them; nullptr is NULL.
class texts {
 public:
    explicit texts(const sql_values& values) {
        kept_.reserve(values.size());
        for (const auto& value : values) {
            pointers_.push_back(std::visit([this](const auto& v) { return keep(v); }, value));
        }
    }
    const std::vector<const char*>& pointers() const { return pointers_; }

 private:
    const char* keep(std::monostate) { return nullptr; }
    const char* keep(const std::string& text) {
        if (text.find('\0') != std::string::npos) {
            // PostgreSQL would see another, shorter text.
            throw sql_failure(
                {errc::invalid_argument, "bad_characters", "the text cannot be kept"});
        }
        return text.c_str();
    }
    template <class Number>
    const char* keep(Number n) {
        std::array<char, 40> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), n).ptr;
        return kept_.emplace_back(text.data(), end).c_str();
    }
    std::vector<std::string> kept_;
    std::vector<const char*> pointers_;
};

}  // namespace

struct postgres_connection::state {
    pqxx::basic_connection_base<hand_over> connection;
    pqxx::quiet_errorhandler quiet{connection};
    pqxx::nontransaction statements{connection};
    bool spoilt = false;  // in a state that nobody knows
};

postgres_connection::postgres_connection(const postgres_target& target, std::size_t first,
                                         deadline_point deadline) {
    const auto count = target.hosts.size();
    std::string why;
    for (std::size_t i = 0; i < count; ++i) {
        const auto now = std::chrono::steady_clock::now();
        const auto share = (deadline - now) / static_cast<std::int64_t>(count - i);
        host_ = (first + i) % count;
        try {
            auto handle = connect(target.hosts[host_], now + share);
            handed_over = &handle;
            struct taken_back {
                ~taken_back() { handed_over = nullptr; }
            } const guard;
            state_ = translated([] { return std::make_unique<state>(); });
            return;
        } catch (const postgres_away& e) {
            why = e.what();
        }
    }
    throw lost(why);
}

postgres_connection::~postgres_connection() = default;

int postgres_connection::socket() const {
    return state_->connection.sock();
}

bool postgres_connection::is_open() const {
    return !state_->spoilt && state_->connection.is_open();
}

postgres_session::~postgres_session() {
    if (!in_transaction_ || !connection_.is_open()) {
        return;
    }
    try {
        run("ROLLBACK");
    } catch (const sql_failure&) {
        // Closed instead, and the transaction with it.
        connection_.state_->spoilt = true;
    }
}

void postgres_session::begin() {
    run("BEGIN");
    in_transaction_ = true;
}

void postgres_session::commit() {
    in_transaction_ = false;
    run("COMMIT");
}

void postgres_session::run(const std::string& sql) {
    translated([&] { connection_.state_->statements.exec(sql); });
}

sql_rows postgres_session::query(const std::string& sql, const sql_values& values) {
    const texts parameters(values);
    return translated([&] {
        const auto found = connection_.state_->statements.exec_params(
            with_numbered_parameters(sql),
            pqxx::prepare::make_dynamic_params(parameters.pointers()));
        sql_rows rows;
        rows.reserve(found.size());
        for (const auto& row : found) {
            sql_values one;
            one.reserve(row.size());
            for (const auto& field : row) {
                one.push_back(value_of(field));
            }
            rows.emplace_back(std::move(one));
        }
        return rows;
    });
}

std::int64_t postgres_session::execute(const std::string& sql, const sql_values& values) {
    const texts parameters(values);
    return translated([&] {
        const auto done = connection_.state_->statements.exec_params(
            with_numbered_parameters(sql),
            pqxx::prepare::make_dynamic_params(parameters.pointers()));
        return static_cast<std::int64_t>(done.affected_rows());
    });
}

std::string with_numbered_parameters(const std::string& sql) {
    std::string numbered;
    numbered.reserve(sql.size() + 32);
    int number = 0;
    for (const char c : sql) {
        if (c == '?') {
            numbered += "$" + std::to_string(++number);
        } else {
            numbered += c;
        }
    }
    return numbered;
}

}  // namespace vora::metadata
