#include "services/metadata/adapters/sqlite_video_repository.hpp"

#include "services/metadata/adapters/sqlite_transaction.hpp"

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

constexpr const char* uploads_of_sql =
    "SELECT upload_id, video_id, state, updated_at FROM Uploads WHERE video_id = ? LIMIT 1000";

constexpr const char* in_state_sql =
    "SELECT " VORA_VIDEO_COLUMNS
    ", EXISTS (SELECT 1 FROM Outbox o WHERE o.video_id = Videos.id"
    " AND o.generation = Videos.generation AND o.step = 1 AND o.sent_at IS NULL)"
    " FROM Videos WHERE state = ? AND deleting_at IS NULL AND id > ? ORDER BY id LIMIT ?";

constexpr const char* in_deletion_sql =
    "SELECT " VORA_VIDEO_COLUMNS
    ", EXISTS (SELECT 1 FROM Outbox o WHERE o.video_id = Videos.id"
    " AND o.generation = Videos.generation AND o.step = 2 AND o.sent_at IS NULL)"
    " FROM Videos WHERE deleting_at IS NOT NULL AND deleted_at IS NULL AND id > ?"
    " ORDER BY id LIMIT ?";

constexpr const char* removable_uploads_sql =
    "SELECT u.upload_id, u.video_id, u.state, u.updated_at FROM Uploads u"
    " JOIN Videos v ON v.id = u.video_id"
    " WHERE u.state = 'surplus' OR (u.state = 'finished' AND v.settled_at <= ?)"
    " ORDER BY u.updated_at LIMIT ?";

constexpr const char* outbox_view_sql =
    "SELECT count(*), min(created_at) FROM Outbox WHERE sent_at IS NULL";

std::string list_sql(const list_query& q) {
    std::string sql = "SELECT " VORA_VIDEO_COLUMNS " FROM Videos WHERE deleting_at IS NULL";
    if (q.owner) {
        sql += " AND owner = ?";
    }
    if (q.state) {
        sql += " AND state = ?";
    }
    if (q.after) {
        sql += " AND (created_at, id) < (?, ?)";
    }
    return sql + " ORDER BY created_at DESC, id DESC LIMIT ?";
}

std::vector<video> select_videos(SQLite::Database& db, const list_query& query) {
    SQLite::Statement q(db, list_sql(query));
    int next = 1;
    if (query.owner) {
        q.bind(next++, *query.owner);
    }
    if (query.state) {
        q.bind(next++, std::string(to_string(*query.state)));
    }
    if (query.after) {
        q.bind(next++, to_unix_ms(query.after->created_at));
        q.bind(next++, query.after->id.value);
    }
    q.bind(next, static_cast<std::int64_t>(query.count_max));
    std::vector<video> rows;
    while (q.executeStep()) {
        rows.push_back(read_video(q));
    }
    return rows;
}

std::vector<upload_record> read_uploads(SQLite::Statement& q) {
    std::vector<upload_record> rows;
    while (q.executeStep()) {
        rows.push_back(read_upload(q));
    }
    return rows;
}

std::vector<unsettled_video> read_unsettled(SQLite::Statement& q) {
    std::vector<unsettled_video> rows;
    while (q.executeStep()) {
        rows.push_back({read_video(q), q.getColumn(video_column_count).getInt() != 0});
    }
    return rows;
}

time_point deadline() {
    return std::chrono::steady_clock::now() + patience;
}

result<void> run_transaction(SQLite::Database& db, const video_repository::transaction_body& body,
                             std::vector<video_id>& updated) {
    return guarded([&]() -> result<void> {
        SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
        sqlite_transaction t(db);
        if (auto r = body(t); !r) {
            return r;  // the destructor rolls back
        }
        updated = t.updated();
        transaction.commit();
        return {};
    });
}

}  // namespace

struct sqlite_video_repository::state {
    state(blocking_pool& r, std::string path) : readers(r) { options.path = std::move(path); }

    // On a thread of the pool; the call began `patience` before its deadline.
    template <class F>
    auto read(time_point deadline, F f) -> decltype(f(std::declval<SQLite::Database&>())) {
        using R = decltype(f(std::declval<SQLite::Database&>()));
        const auto wait_ms = reading.wait_for(deadline);
        if (!wait_ms) {
            return still_locked();
        }
        auto done = guarded([&]() -> R {
            auto connection = borrow(*wait_ms);
            auto r = f(connection->db());
            // Only a connection that worked goes back; a broken one is opened anew next time.
            give_back(std::move(connection));
            return r;
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
        auto done = guarded([&]() -> result<void> {
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
    std::function<void(const video_id&)> on_updated;
};

sqlite_video_repository::sqlite_video_repository(blocking_pool& readers, std::string path)
    : state_(std::make_shared<state>(readers, std::move(path))) {}

sqlite_video_repository::~sqlite_video_repository() = default;

result<void> sqlite_video_repository::open() {
    return guarded([&]() -> result<void> {
        state_->writer = std::make_unique<sqlite_connection>(state_->options, true);
        std::error_code ignored;  // a file system without modes is no reason to refuse
        std::filesystem::permissions(
            state_->options.path,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, ignored);
        return migrate(state_->writer->db());
    });
}

void sqlite_video_repository::on_updated(std::function<void(const video_id&)> f) {
    state_->on_updated = std::move(f);
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
        if (s->on_updated) {
            s->on_updated(id);
        }
    }
    co_return done;
}

task<result<std::optional<video>>> sqlite_video_repository::find(video_id id) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), id = std::move(id)] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::optional<video>> {
            return select_video(db, id);
        });
    });
    co_return r;
}

task<result<std::vector<video>>> sqlite_video_repository::list(list_query q) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), q = std::move(q)] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::vector<video>> {
            return select_videos(db, q);
        });
    });
    co_return r;
}

task<result<std::optional<upload_record>>> sqlite_video_repository::find_upload(upload_id id) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), id = std::move(id)] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::optional<upload_record>> {
            return select_upload(db, id);
        });
    });
    co_return r;
}

task<result<std::vector<upload_record>>> sqlite_video_repository::uploads_of(video_id id) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), id = std::move(id)] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::vector<upload_record>> {
            SQLite::Statement q(db, uploads_of_sql);
            q.bind(1, id.value);
            return read_uploads(q);
        });
    });
    co_return r;
}

task<result<std::vector<unsettled_video>>> sqlite_video_repository::in_state(
    video_state wanted, video_id after, std::size_t count_max) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), wanted,
                                           after = std::move(after), count_max] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::vector<unsettled_video>> {
            SQLite::Statement q(db, in_state_sql);
            q.bind(1, std::string(to_string(wanted)));
            q.bind(2, after.value);
            q.bind(3, static_cast<std::int64_t>(count_max));
            return read_unsettled(q);
        });
    });
    co_return r;
}

task<result<std::vector<unsettled_video>>> sqlite_video_repository::in_deletion(
    video_id after, std::size_t count_max) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), after = std::move(after),
                                           count_max] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::vector<unsettled_video>> {
            SQLite::Statement q(db, in_deletion_sql);
            q.bind(1, after.value);
            q.bind(2, static_cast<std::int64_t>(count_max));
            return read_unsettled(q);
        });
    });
    co_return r;
}

task<result<std::optional<kept_answer>>> sqlite_video_repository::find_answer(answer_key k,
                                                                              timestamp now) {
    auto r = co_await state_->readers.run([s = state_, until = deadline(), k = std::move(k), now] {
        return s->read(until, [&](SQLite::Database& db) -> result<std::optional<kept_answer>> {
            return select_answer(db, k, now);
        });
    });
    co_return r;
}

task<result<std::vector<upload_record>>> sqlite_video_repository::removable_uploads(
    timestamp settled_before, std::size_t count_max) {
    auto r =
        co_await state_->readers.run([s = state_, until = deadline(), settled_before, count_max] {
            return s->read(until, [&](SQLite::Database& db) -> result<std::vector<upload_record>> {
                SQLite::Statement q(db, removable_uploads_sql);
                q.bind(1, to_unix_ms(settled_before));
                q.bind(2, static_cast<std::int64_t>(count_max));
                return read_uploads(q);
            });
        });
    co_return r;
}

task<result<outbox_view>> sqlite_video_repository::outbox() {
    auto r = co_await state_->readers.run([s = state_, until = deadline()] {
        return s->read(until, [](SQLite::Database& db) -> result<outbox_view> {
            SQLite::Statement q(db, outbox_view_sql);
            q.executeStep();
            outbox_view view;
            view.pending = q.getColumn(0).getInt64();
            if (const auto oldest = q.getColumn(1); !oldest.isNull()) {
                view.oldest = from_unix_ms(oldest.getInt64());
            }
            return view;
        });
    });
    co_return r;
}

task<result<void>> sqlite_video_repository::ping() {
    auto r = co_await state_->readers.run([s = state_, until = deadline()] {
        return s->read(until, [](SQLite::Database& db) -> result<void> {
            SQLite::Statement q(db, "SELECT version FROM schema_version");
            q.executeStep();
            return {};
        });
    });
    co_return r;
}

result<std::string> sqlite_path(const std::string& url) {
    constexpr std::string_view scheme = "sqlite:";
    if (!url.starts_with(scheme) || url.size() == scheme.size() ||
        url.starts_with("sqlite::memory")) {
        return fail(errc::invalid_argument, "bad_database_url",
                    "expected \"sqlite:PATH\", not \"" + url + "\"");
    }
    return url.substr(scheme.size());
}

}  // namespace vora::metadata
