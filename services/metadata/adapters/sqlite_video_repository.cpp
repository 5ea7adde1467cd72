#include "services/metadata/adapters/sqlite_video_repository.hpp"

#include "services/metadata/adapters/sql_transaction.hpp"
#include "services/metadata/adapters/sqlite_connection.hpp"
#include "services/metadata/adapters/sqlite_session.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>

namespace vora::metadata {

namespace {

// Waiting transactions beyond this are refused: they would only time out later.
constexpr std::size_t transactions_waiting_max = 512;
constexpr std::size_t idle_readers_max = 8;

// How long a call puts up with a file that another process has locked, its place in the queue
// included; a request makes two or three calls and answers within two seconds.
constexpr milliseconds patience{700};
// While the last one found it locked, each of those that wait looks only this long.
constexpr milliseconds patience_while_locked{40};

using time_point = std::chrono::steady_clock::time_point;

// One side of the file, reading or writing: is it locked, as far as we know?
class lock_memory {
 public:
    // How long a call with this deadline may wait for the lock; nullopt: it has waited its time,
    // and the others behind it wait too.
    std::optional<int> wait_for(time_point deadline) const {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (!locked_) {
            return static_cast<int>(std::max(left, patience_while_locked).count());
        }
        if (left <= milliseconds(0)) {
            return std::nullopt;
        }
        return static_cast<int>(std::min(left, patience_while_locked).count());
    }
    void note(bool locked) { locked_ = locked; }

 private:
    std::atomic<bool> locked_ = false;
};

std::unexpected<error> still_locked() {
    return fail(errc::unavailable, "database_unavailable", "the database is locked");
}

bool is_away(const error& e) {
    return e.code == errc::unavailable;
}

bool is_lock(const error& e) {
    return is_away(e) && e.detail == sqlite3_errstr(SQLITE_BUSY);
}

time_point deadline() {
    return std::chrono::steady_clock::now() + patience;
}

result<void> run_transaction(SQLite::Database& db, const video_repository::transaction_body& body,
                             std::vector<video_id>& updated) {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    sqlite_session session(db);
    sql_transaction t(session);
    // The destructor rolls back.
    if (auto r = body(t); !r) {
        return r;
    }
    if (t.trouble()) {
        return fail(t.trouble()->what_failed);
    }
    updated = t.updated();
    transaction.commit();
    return {};
}

// What SQLite throws becomes an error, and what the sessions throw.
template <class F>
result<void> caught(F f) {
    return guarded([&]() -> result<void> {
        try {
            return f();
        } catch (const SQLite::Exception& e) {
            return fail(to_error(e));
        }
    });
}

}  // namespace

struct sqlite_video_repository::state {
    state(blocking_pool& r, std::string path) : readers(r) { options.path = std::move(path); }

    // On a thread of the pool; the call began `patience` before its deadline.
    result<void> read(time_point deadline, const std::function<void(sql_session&)>& f) {
        const auto wait_ms = reading.wait_for(deadline);
        if (!wait_ms) {
            return still_locked();
        }
        auto done = caught([&]() -> result<void> {
            auto connection = borrow(*wait_ms);
            sqlite_session session(connection->db());
            f(session);
            // Only a connection that worked goes back; a broken one is opened anew next time.
            give_back(std::move(connection));
            return {};
        });
        reading.note(!done && is_lock(done.error()));
        return done;
    }

    // On the writing thread.
    result<void> write(time_point deadline, const video_repository::transaction_body& body,
                       std::vector<video_id>& updated) {
        const auto wait_ms = writing.wait_for(deadline);
        if (!wait_ms) {
            return still_locked();
        }
        auto done = caught([&]() -> result<void> {
            if (!writer) {
                sqlite_options o = options;
                o.busy_timeout_ms = *wait_ms;
                writer = std::make_unique<sqlite_connection>(o, true);
            }
            writer->db().setBusyTimeout(*wait_ms);
            return run_transaction(writer->db(), body, updated);
        });
        writing.note(!done && is_lock(done.error()));
        if (!done && is_away(done.error()) && !is_lock(done.error())) {
            writer.reset();  // what failed on this connection may stay wrong with it
        }
        return done;
    }

    std::unique_ptr<sqlite_connection> borrow(int wait_ms) {
        {
            const std::lock_guard lock(mutex);
            if (!idle.empty()) {
                auto connection = std::move(idle.back());
                idle.pop_back();
                connection->db().setBusyTimeout(wait_ms);
                return connection;
            }
        }
        sqlite_options o = options;
        o.busy_timeout_ms = wait_ms;
        return std::make_unique<sqlite_connection>(o, false);
    }
    void give_back(std::unique_ptr<sqlite_connection> connection) {
        const std::lock_guard lock(mutex);
        if (idle.size() < idle_readers_max) {
            idle.push_back(std::move(connection));
        }
    }

    blocking_pool& readers;
    sqlite_options options;
    std::mutex mutex;
    std::vector<std::unique_ptr<sqlite_connection>> idle;
    std::unique_ptr<sqlite_connection> writer;  // used by the writing thread only
    std::size_t waiting = 0;                    // used by the loop only
    lock_memory reading;
    lock_memory writing;
};

sqlite_video_repository::sqlite_video_repository(blocking_pool& readers, std::string path)
    : state_(std::make_shared<state>(readers, std::move(path))) {}

sqlite_video_repository::~sqlite_video_repository() = default;

result<void> sqlite_video_repository::open() {
    return caught([&]() -> result<void> {
        state_->writer = std::make_unique<sqlite_connection>(state_->options, true);
        std::error_code ignored;  // a file system without modes is no reason to refuse
        std::filesystem::permissions(
            state_->options.path,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
        return migrate(state_->writer->db());
    });
}

task<result<void>> sqlite_video_repository::in_transaction(transaction_body body) {
    auto s = state_;
    if (s->waiting >= transactions_waiting_max) {
        co_return fail(errc::unavailable, "database_overloaded", "too many changes at once");
    }
    struct waiting_count {
        std::size_t& n;
        explicit waiting_count(std::size_t& count) : n(count) { ++n; }
        ~waiting_count() { --n; }
    };
    const waiting_count counted(s->waiting);
    const auto updated = std::make_shared<std::vector<video_id>>();
    auto done = co_await writing_.run([s, updated, until = deadline(), b = std::move(body)] {
        return s->write(until, b, *updated);
    });
    for (const auto& id : *updated) {
        tell_updated(id);
    }
    co_return done;
}

task<result<void>> sqlite_video_repository::read(reading f) {
    auto r = co_await state_->readers.run(
        [s = state_, until = deadline(), f = std::move(f)] { return s->read(until, f); });
    co_return r;
}

result<std::string> sqlite_path(const std::string& url) {
    constexpr std::string_view scheme = "sqlite:";
    if (!url.starts_with(scheme) || url.size() == scheme.size() ||
        url.starts_with("sqlite::memory")) {
        return fail(errc::invalid_argument, "bad_database_url", "expected \"sqlite:PATH\"");
    }
    return url.substr(scheme.size());
}

}  // namespace vora::metadata
