#include "services/metadata/adapters/sql_transaction.hpp"

#include "services/metadata/adapters/sql_reads.hpp"

namespace vora::metadata {

namespace {

// A key that is taken changes no row instead of failing: PostgreSQL would end the transaction.
constexpr const char* insert_video_sql =
    "INSERT INTO Videos (" VORA_VIDEO_COLUMNS
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING";

// The version before is the condition: two changes that began from one version cannot both stand.
constexpr const char* update_video_sql =
    "UPDATE Videos SET (" VORA_VIDEO_COLUMNS
    ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " WHERE id = ? AND version = ?";

constexpr const char* put_upload_sql =
    "INSERT INTO Uploads (upload_id, video_id, state, updated_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (upload_id) DO UPDATE SET state = excluded.state, updated_at = "
    "excluded.updated_at";

constexpr const char* add_outbox_sql =
    "INSERT INTO Outbox (video_id, generation, step, source_key, source_bytes, created_at, "
    "attempts)"
    " VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (video_id, generation, step) DO NOTHING";

// The count of claims goes on: an old claim's number is never given again.
constexpr const char* renew_outbox_sql =
    "INSERT INTO Outbox (video_id, generation, step, source_key, source_bytes, created_at, "
    "attempts)"
    " VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (video_id, generation, step) DO UPDATE SET"
    " created_at = excluded.created_at, claimed_until = NULL, sent_at = NULL";

// An expired answer makes room for the new one; the count of changed rows says which it was.
constexpr const char* keep_answer_sql =
    "INSERT INTO IdempotencyKeys (owner, operation, request_key, fingerprint, answer, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (owner, operation, request_key) DO UPDATE SET"
    " fingerprint = excluded.fingerprint, answer = excluded.answer,"
    " expires_at = excluded.expires_at WHERE IdempotencyKeys.expires_at <= ?";

constexpr const char* forget_answers_sql =
    "DELETE FROM IdempotencyKeys WHERE (owner, operation, request_key) IN"
    " (SELECT owner, operation, request_key FROM IdempotencyKeys WHERE expires_at <= ? LIMIT ?)";

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
    " WHERE video_id = ? AND generation = ? AND step = ? AND attempts = ? AND sent_at IS NULL";

constexpr const char* release_outbox_sql =
    "UPDATE Outbox SET claimed_until = NULL"
    " WHERE video_id = ? AND generation = ? AND step = ? AND attempts = ? AND sent_at IS NULL";

constexpr const char* release_all_sql =
    "UPDATE Outbox SET claimed_until = NULL WHERE sent_at IS NULL AND claimed_until IS NOT NULL";

constexpr const char* forget_outbox_sql =
    "DELETE FROM Outbox WHERE (video_id, generation, step) IN"
    " (SELECT video_id, generation, step FROM Outbox WHERE sent_at < ? LIMIT ?)";

// In the order of VALUES in the two statements above.
sql_values new_row(const outbox_message& m) {
    return {m.video.value, m.generation,   static_cast<std::int64_t>(m.kind),
            m.source_key,  m.source_bytes, sql_time(m.created_at)};
}

sql_values with_key(sql_values first, const outbox_message& m) {
    first.insert(first.end(), {m.video.value, m.generation, static_cast<std::int64_t>(m.kind)});
    return first;
}

sql_values with_claim(sql_values first, const outbox_message& m) {
    auto values = with_key(std::move(first), m);
    values.emplace_back(static_cast<std::int64_t>(m.attempts));
    return values;
}

// As it is once the caller has claimed it.
outbox_message read_claimed(const sql_row& row) {
    outbox_message m;
    m.video = video_id{row.text(0)};
    m.generation = row.integer(1);
    m.kind = static_cast<outbox_kind>(row.integer(2));
    m.source_key = row.text(3);
    m.source_bytes = row.integer(4);
    m.created_at = row.time(5);
    m.attempts = static_cast<int>(row.integer(6)) + 1;
    m.delete_attempt = row.integer(7);
    m.unwanted = row.flag(8);
    return m;
}

}  // namespace

template <class F>
auto sql_transaction::attempt(F f) -> decltype(f()) {
    try {
        return f();
    } catch (const sql_failure& e) {
        trouble_ = e;
    } catch (const std::exception& e) {
        trouble_ = sql_failure({errc::data_loss, "database_damaged", e.what()});
    }
    return fail(trouble_->what_failed);
}

result<void> sql_transaction::execute(const std::string& sql, const sql_values& values) {
    return attempt([&]() -> result<void> {
        session_.execute(sql, values);
        return {};
    });
}

result<void> sql_transaction::insert_once(const std::string& sql, const sql_values& values,
                                          const char* reason) {
    return attempt([&]() -> result<void> {
        if (session_.execute(sql, values) == 0) {
            return fail(errc::already_exists, reason);
        }
        return {};
    });
}

result<std::optional<video>> sql_transaction::find(const video_id& id) {
    return attempt([&]() -> result<std::optional<video>> {
        return select_video(session_, id, session_.dialect().hold_row);
    });
}

result<void> sql_transaction::insert(const video& v) {
    return insert_once(insert_video_sql, values_of(v), "video_exists");
}

result<void> sql_transaction::update(const video& v) {
    return attempt([&]() -> result<void> {
        auto values = values_of(v);
        values.emplace_back(v.id.value);
        values.emplace_back(v.version - 1);
        if (session_.execute(update_video_sql, values) != 1) {
            return fail(errc::aborted, "lost_race", "the video was changed meanwhile");
        }
        updated_.push_back(v.id);
        return {};
    });
}

result<std::optional<upload_record>> sql_transaction::find_upload(const upload_id& id) {
    return attempt([&]() -> result<std::optional<upload_record>> {
        return select_upload(session_, id, session_.dialect().hold_row);
    });
}

result<void> sql_transaction::put_upload(const upload_record& u) {
    return execute(put_upload_sql, {u.id.value, u.video.value, std::string(to_string(u.status)),
                                    sql_time(u.updated_at)});
}

result<void> sql_transaction::add_outbox(const outbox_message& m) {
    return insert_once(add_outbox_sql, new_row(m), "outbox_exists");
}

result<void> sql_transaction::renew_outbox(const outbox_message& m) {
    return execute(renew_outbox_sql, new_row(m));
}

result<void> sql_transaction::withdraw_outbox(const video_id& id, outbox_kind kind) {
    return execute(withdraw_outbox_sql, {id.value, static_cast<std::int64_t>(kind)});
}

result<std::vector<outbox_message>> sql_transaction::claim_outbox(timestamp now, timestamp until,
                                                                  std::size_t count_max) {
    return attempt([&]() -> result<std::vector<outbox_message>> {
        std::vector<outbox_message> claimed;
        const auto rows =
            session_.query(std::string(claimable_outbox_sql) + session_.dialect().claim_rows,
                           {sql_time(now), static_cast<std::int64_t>(count_max)});
        for (const auto& row : rows) {
            claimed.push_back(read_claimed(row));
            session_.execute(claim_outbox_sql, with_key({sql_time(until)}, claimed.back()));
        }
        return claimed;
    });
}

result<bool> sql_transaction::outbox_sent(const outbox_message& m, timestamp now) {
    return attempt([&]() -> result<bool> {
        return session_.execute(outbox_sent_sql, with_claim({sql_time(now)}, m)) == 1;
    });
}

result<void> sql_transaction::release_outbox(const outbox_message& m) {
    return execute(release_outbox_sql, with_claim({}, m));
}

result<void> sql_transaction::release_all_claims() {
    if (session_.dialect().shared) {
        return {};
    }
    return execute(release_all_sql, {});
}

result<void> sql_transaction::forget_sent_outbox(timestamp before, std::size_t count_max) {
    return execute(forget_outbox_sql, {sql_time(before), static_cast<std::int64_t>(count_max)});
}

result<void> sql_transaction::keep_answer(const answer_key& k, const kept_answer& a,
                                          timestamp now) {
    return insert_once(keep_answer_sql,
                       {k.owner, k.operation, k.text, a.fingerprint, snapshot_of(a.video),
                        sql_time(a.expires_at), sql_time(now)},
                       "answer_exists");
}

result<void> sql_transaction::forget_answers(timestamp expired_before, std::size_t count_max) {
    return execute(forget_answers_sql,
                   {sql_time(expired_before), static_cast<std::int64_t>(count_max)});
}

}  // namespace vora::metadata
