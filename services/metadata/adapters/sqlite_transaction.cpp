#include "services/metadata/adapters/sqlite_transaction.hpp"

#include <sqlite3.h>

namespace vora::metadata {

namespace {

constexpr const char* select_video_sql = "SELECT " VORA_VIDEO_COLUMNS " FROM Videos WHERE id = ?";

constexpr const char* insert_video_sql =
    "INSERT INTO Videos (" VORA_VIDEO_COLUMNS
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

// The version before is the condition: two changes that began from one version cannot both stand.
constexpr const char* update_video_sql =
    "UPDATE Videos SET (" VORA_VIDEO_COLUMNS
    ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " WHERE id = ? AND version = ?";

constexpr const char* select_upload_sql =
    "SELECT upload_id, video_id, state, updated_at FROM Uploads WHERE upload_id = ?";

constexpr const char* put_upload_sql =
    "INSERT INTO Uploads (upload_id, video_id, state, updated_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (upload_id) DO UPDATE SET state = excluded.state, updated_at = "
    "excluded.updated_at";

constexpr const char* add_outbox_sql =
    "INSERT INTO Outbox (video_id, generation, step, source_key, source_bytes, created_at, "
    "attempts)"
    " VALUES (?, ?, ?, ?, ?, ?, 0)";

constexpr const char* renew_outbox_sql =
    "INSERT INTO Outbox (video_id, generation, step, source_key, source_bytes, created_at, "
    "attempts)"
    " VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (video_id, generation, step) DO UPDATE SET"
    " created_at = excluded.created_at, attempts = 0, claimed_until = NULL, sent_at = NULL";

// An expired answer makes room for the new one; the count of changed rows says which it was.
constexpr const char* keep_answer_sql =
    "INSERT INTO IdempotencyKeys (owner, operation, request_key, fingerprint, answer, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, operation, request_key) DO UPDATE SET"
    " fingerprint = excluded.fingerprint, answer = excluded.answer,"
    " expires_at = excluded.expires_at WHERE IdempotencyKeys.expires_at <= ?";

constexpr const char* forget_answers_sql =
    "DELETE FROM IdempotencyKeys WHERE (owner, operation, request_key) IN"
    " (SELECT owner, operation, request_key FROM IdempotencyKeys WHERE expires_at <= ? LIMIT ?)";

constexpr const char* find_answer_sql =
    "SELECT fingerprint, answer, expires_at FROM IdempotencyKeys"
    " WHERE owner = ? AND operation = ? AND request_key = ? AND expires_at > ?";

constexpr const char* withdraw_outbox_sql =
    "DELETE FROM Outbox WHERE video_id = ? AND step = ? AND sent_at IS NULL"
    " AND claimed_until IS NULL";

constexpr const char* claimable_outbox_sql =
    "SELECT o.video_id, o.generation, o.step, o.source_key, o.source_bytes, o.created_at, "
    "o.attempts,"
    " v.delete_attempt,"
    " o.step = 1 AND (v.deleting_at IS NOT NULL OR v.state <> 'PROCESSING')"
    " FROM Outbox o JOIN Videos v ON v.id = o.video_id"
    " WHERE o.sent_at IS NULL AND (o.claimed_until IS NULL OR o.claimed_until <= ?)"
    " AND NOT EXISTS (SELECT 1 FROM Outbox e WHERE e.video_id = o.video_id AND e.sent_at IS NULL"
    " AND (e.generation < o.generation OR (e.generation = o.generation AND e.step < o.step)))"
    " ORDER BY o.created_at LIMIT ?";

constexpr const char* claim_outbox_sql =
    "UPDATE Outbox SET claimed_until = ?, attempts = attempts + 1"
    " WHERE video_id = ? AND generation = ? AND step = ?";

constexpr const char* outbox_sent_sql =
    "UPDATE Outbox SET sent_at = ?, claimed_until = NULL"
    " WHERE video_id = ? AND generation = ? AND step = ? AND sent_at IS NULL";

constexpr const char* release_outbox_sql =
    "UPDATE Outbox SET claimed_until = NULL"
    " WHERE video_id = ? AND generation = ? AND step = ? AND sent_at IS NULL";

constexpr const char* release_all_sql =
    "UPDATE Outbox SET claimed_until = NULL WHERE sent_at IS NULL AND claimed_until IS NOT NULL";

constexpr const char* forget_outbox_sql =
    "DELETE FROM Outbox WHERE (video_id, generation, step) IN"
    " (SELECT video_id, generation, step FROM Outbox WHERE sent_at < ? LIMIT ?)";

void bind_key(SQLite::Statement& q, int first, const outbox_message& m) {
    q.bind(first, m.video.value);
    q.bind(first + 1, m.generation);
    q.bind(first + 2, static_cast<int>(m.kind));
}

void bind_key(SQLite::Statement& q, const answer_key& k) {
    q.bind(1, k.owner);
    q.bind(2, k.operation);
    q.bind(3, k.text);
}

void bind_new(SQLite::Statement& q, const outbox_message& m) {
    bind_key(q, 1, m);
    q.bind(4, m.source_key);
    q.bind(5, m.source_bytes);
    q.bind(6, to_unix_ms(m.created_at));
}

outbox_message read_outbox(SQLite::Statement& q) {
    outbox_message m;
    m.video = video_id{q.getColumn(0).getString()};
    m.generation = q.getColumn(1).getInt64();
    m.kind = static_cast<outbox_kind>(q.getColumn(2).getInt());
    m.source_key = q.getColumn(3).getString();
    m.source_bytes = q.getColumn(4).getInt64();
    m.created_at = from_unix_ms(q.getColumn(5).getInt64());
    m.attempts = q.getColumn(6).getInt();
    m.delete_attempt = q.getColumn(7).getInt64();
    m.unwanted = q.getColumn(8).getInt() != 0;
    return m;
}

// Runs an INSERT; a taken key is already_exists (reason).
result<void> insert_unique(SQLite::Statement& q, const char* reason) {
    try {
        q.exec();
    } catch (const SQLite::Exception& e) {
        const auto extended = e.getExtendedErrorCode();
        if (extended == SQLITE_CONSTRAINT_PRIMARYKEY || extended == SQLITE_CONSTRAINT_UNIQUE) {
            return fail(errc::already_exists, reason);
        }
        throw;
    }
    return {};
}

}  // namespace

std::optional<video> select_video(SQLite::Database& db, const video_id& id) {
    SQLite::Statement q(db, select_video_sql);
    q.bind(1, id.value);
    return q.executeStep() ? std::optional(read_video(q)) : std::nullopt;
}

std::optional<upload_record> select_upload(SQLite::Database& db, const upload_id& id) {
    SQLite::Statement q(db, select_upload_sql);
    q.bind(1, id.value);
    return q.executeStep() ? std::optional(read_upload(q)) : std::nullopt;
}

std::optional<kept_answer> select_answer(SQLite::Database& db, const answer_key& k, timestamp now) {
    SQLite::Statement q(db, find_answer_sql);
    bind_key(q, k);
    q.bind(4, to_unix_ms(now));
    if (!q.executeStep()) {
        return std::nullopt;
    }
    return kept_answer{q.getColumn(0).getString(), read_snapshot(q.getColumn(1).getString()),
                       from_unix_ms(q.getColumn(2).getInt64())};
}

result<std::optional<video>> sqlite_transaction::find(const video_id& id) {
    return guarded([&]() -> result<std::optional<video>> { return select_video(db_, id); });
}

result<void> sqlite_transaction::insert(const video& v) {
    return guarded([&] {
        SQLite::Statement q(db_, insert_video_sql);
        bind_video(q, v);
        return insert_unique(q, "video_exists");
    });
}

result<void> sqlite_transaction::update(const video& v) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, update_video_sql);
        bind_video(q, v);
        q.bind(video_column_count + 1, v.id.value);
        q.bind(video_column_count + 2, v.version - 1);
        if (q.exec() != 1) {
            return fail(errc::aborted, "lost_race", "the video was changed meanwhile");
        }
        updated_.push_back(v.id);
        return {};
    });
}

result<std::optional<upload_record>> sqlite_transaction::find_upload(const upload_id& id) {
    return guarded(
        [&]() -> result<std::optional<upload_record>> { return select_upload(db_, id); });
}

result<void> sqlite_transaction::put_upload(const upload_record& u) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, put_upload_sql);
        q.bind(1, u.id.value);
        q.bind(2, u.video.value);
        q.bind(3, std::string(to_string(u.status)));
        q.bind(4, to_unix_ms(u.updated_at));
        q.exec();
        return {};
    });
}

result<void> sqlite_transaction::add_outbox(const outbox_message& m) {
    return guarded([&] {
        SQLite::Statement q(db_, add_outbox_sql);
        bind_new(q, m);
        return insert_unique(q, "outbox_exists");
    });
}

result<void> sqlite_transaction::renew_outbox(const outbox_message& m) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, renew_outbox_sql);
        bind_new(q, m);
        q.exec();
        return {};
    });
}

result<void> sqlite_transaction::withdraw_outbox(const video_id& id, outbox_kind kind) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, withdraw_outbox_sql);
        q.bind(1, id.value);
        q.bind(2, static_cast<int>(kind));
        q.exec();
        return {};
    });
}

result<std::vector<outbox_message>> sqlite_transaction::claim_outbox(timestamp now, timestamp until,
                                                                     std::size_t count_max) {
    return guarded([&]() -> result<std::vector<outbox_message>> {
        std::vector<outbox_message> claimed;
        SQLite::Statement q(db_, claimable_outbox_sql);
        q.bind(1, to_unix_ms(now));
        q.bind(2, static_cast<std::int64_t>(count_max));
        while (q.executeStep()) {
            claimed.push_back(read_outbox(q));
        }
        for (const auto& m : claimed) {
            SQLite::Statement claim(db_, claim_outbox_sql);
            claim.bind(1, to_unix_ms(until));
            bind_key(claim, 2, m);
            claim.exec();
        }
        return claimed;
    });
}

result<void> sqlite_transaction::outbox_sent(const outbox_message& m, timestamp now) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, outbox_sent_sql);
        q.bind(1, to_unix_ms(now));
        bind_key(q, 2, m);
        q.exec();
        return {};
    });
}

result<void> sqlite_transaction::release_outbox(const outbox_message& m) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, release_outbox_sql);
        bind_key(q, 1, m);
        q.exec();
        return {};
    });
}

result<void> sqlite_transaction::release_all_claims() {
    return guarded([&]() -> result<void> {
        db_.exec(release_all_sql);
        return {};
    });
}

result<void> sqlite_transaction::forget_sent_outbox(timestamp before, std::size_t count_max) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, forget_outbox_sql);
        q.bind(1, to_unix_ms(before));
        q.bind(2, static_cast<std::int64_t>(count_max));
        q.exec();
        return {};
    });
}

result<void> sqlite_transaction::keep_answer(const answer_key& k, const kept_answer& a,
                                             timestamp now) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, keep_answer_sql);
        bind_key(q, k);
        q.bind(4, a.fingerprint);
        q.bind(5, snapshot_of(a.video));
        q.bind(6, to_unix_ms(a.expires_at));
        q.bind(7, to_unix_ms(now));
        return q.exec() == 1 ? result<void>{} : fail(errc::already_exists, "answer_exists");
    });
}

result<void> sqlite_transaction::forget_answers(timestamp expired_before, std::size_t count_max) {
    return guarded([&]() -> result<void> {
        SQLite::Statement q(db_, forget_answers_sql);
        q.bind(1, to_unix_ms(expired_before));
        q.bind(2, static_cast<std::int64_t>(count_max));
        q.exec();
        return {};
    });
}

}  // namespace vora::metadata
