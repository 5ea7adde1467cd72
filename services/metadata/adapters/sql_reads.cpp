#include "services/metadata/adapters/sql_reads.hpp"

namespace vora::metadata {

namespace {

constexpr const char* select_video_sql = "SELECT " VORA_VIDEO_COLUMNS " FROM Videos WHERE id = ?";

constexpr const char* select_upload_sql =
    "SELECT upload_id, video_id, state, updated_at FROM Uploads WHERE upload_id = ?";

constexpr const char* find_answer_sql =
    "SELECT fingerprint, answer, expires_at FROM IdempotencyKeys"
    " WHERE owner = ? AND operation = ? AND request_key = ? AND expires_at > ?";

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

sql_value limit(std::size_t count_max) {
    return static_cast<std::int64_t>(count_max);
}

std::vector<upload_record> read_uploads(const sql_rows& rows) {
    std::vector<upload_record> all;
    all.reserve(rows.size());
    for (const auto& row : rows) {
        all.push_back(read_upload(row));
    }
    return all;
}

std::vector<unsettled_video> read_unsettled(const sql_rows& rows) {
    std::vector<unsettled_video> all;
    all.reserve(rows.size());
    for (const auto& row : rows) {
        all.push_back({read_video(row), row.flag(video_column_count)});
    }
    return all;
}

}  // namespace

std::optional<video> select_video(sql_session& s, const video_id& id, const char* hold) {
    const auto rows = s.query(std::string(select_video_sql) + hold, {id.value});
    return rows.empty() ? std::nullopt : std::optional(read_video(rows.front()));
}

std::optional<upload_record> select_upload(sql_session& s, const upload_id& id, const char* hold) {
    const auto rows = s.query(std::string(select_upload_sql) + hold, {id.value});
    return rows.empty() ? std::nullopt : std::optional(read_upload(rows.front()));
}

std::vector<video> select_list(sql_session& s, const list_query& q) {
    std::string sql = "SELECT " VORA_VIDEO_COLUMNS " FROM Videos WHERE deleting_at IS NULL";
    sql_values values;
    if (q.owner) {
        sql += " AND owner = ?";
        values.emplace_back(*q.owner);
    }
    if (q.state) {
        sql += " AND state = ?";
        values.emplace_back(std::string(to_string(*q.state)));
    }
    if (q.after) {
        sql += " AND (created_at, id) < (?, ?)";
        values.push_back(sql_time(q.after->created_at));
        values.emplace_back(q.after->id.value);
    }
    values.push_back(limit(q.count_max));
    const auto rows = s.query(sql + " ORDER BY created_at DESC, id DESC LIMIT ?", values);
    std::vector<video> all;
    all.reserve(rows.size());
    for (const auto& row : rows) {
        all.push_back(read_video(row));
    }
    return all;
}

std::vector<upload_record> select_uploads_of(sql_session& s, const video_id& id) {
    return read_uploads(s.query(uploads_of_sql, {id.value}));
}

std::vector<unsettled_video> select_in_state(sql_session& s, video_state state,
                                             const video_id& after, std::size_t count_max) {
    return read_unsettled(
        s.query(in_state_sql, {std::string(to_string(state)), after.value, limit(count_max)}));
}

std::vector<unsettled_video> select_in_deletion(sql_session& s, const video_id& after,
                                                std::size_t count_max) {
    return read_unsettled(s.query(in_deletion_sql, {after.value, limit(count_max)}));
}

std::optional<kept_answer> select_answer(sql_session& s, const answer_key& k, timestamp now) {
    const auto rows = s.query(find_answer_sql, {k.owner, k.operation, k.text, sql_time(now)});
    if (rows.empty()) {
        return std::nullopt;
    }
    const auto& row = rows.front();
    return kept_answer{row.text(0), read_snapshot(row.text(1)), row.time(2)};
}

std::vector<upload_record> select_removable_uploads(sql_session& s, timestamp settled_before,
                                                    std::size_t count_max) {
    return read_uploads(
        s.query(removable_uploads_sql, {sql_time(settled_before), limit(count_max)}));
}

outbox_view select_outbox(sql_session& s) {
    const auto rows = s.query(outbox_view_sql, {});
    outbox_view view;
    view.pending = rows.at(0).integer(0);
    if (!rows.at(0).is_null(1)) {
        view.oldest = rows.at(0).time(1);
    }
    return view;
}

std::int64_t select_schema_version(sql_session& s) {
    const auto rows = s.query("SELECT version FROM schema_version", {});
    return rows.empty() ? 0 : rows.front().integer(0);
}

}  // namespace vora::metadata
