#include "libs/durable/engine_embedded/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <stdexcept>

namespace vora::durable::sql {

namespace {

constexpr int schema_version = 1;

// activities and timers hold what is pending of open runs. A closed run keeps its row for good: an
// id that ever ran is never started again, also when its history has been dropped.
constexpr const char* schema = R"sql(
CREATE TABLE runs (
    workflow_id   TEXT NOT NULL PRIMARY KEY,
    run_id        TEXT NOT NULL UNIQUE,
    workflow_type TEXT NOT NULL,
    task_queue    TEXT NOT NULL,
    status        INTEGER NOT NULL,
    started_ms    INTEGER NOT NULL,
    closed_ms     INTEGER,
    failure       TEXT NOT NULL DEFAULT '',
    history_kept  INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX runs_open ON runs (started_ms) WHERE closed_ms IS NULL;
CREATE INDEX runs_closed ON runs (closed_ms) WHERE closed_ms IS NOT NULL AND history_kept = 1;
CREATE TABLE events (
    run_id     TEXT NOT NULL,
    event_id   INTEGER NOT NULL,
    type       TEXT NOT NULL,
    time_ms    INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (run_id, event_id)
) WITHOUT ROWID;
CREATE TABLE activities (
    run_id            TEXT NOT NULL,
    seq               INTEGER NOT NULL,
    type              TEXT NOT NULL,
    input             TEXT NOT NULL,
    options           TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    lost              INTEGER NOT NULL,
    uncounted         INTEGER NOT NULL,
    started           INTEGER NOT NULL,
    cancel_requested  INTEGER NOT NULL,
    scheduled_ms      INTEGER NOT NULL,
    available_ms      INTEGER NOT NULL,
    began_ms          INTEGER NOT NULL,
    heartbeat_details TEXT NOT NULL,
    last_failure      TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
CREATE TABLE timers (
    run_id  TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    fire_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
PRAGMA user_version = 1;
)sql";

constexpr const char* insert_run_sql =
    "INSERT OR IGNORE INTO runs (workflow_id, run_id, workflow_type, task_queue, status, "
    "started_ms)"
    " VALUES (?, ?, ?, ?, ?, ?)";
constexpr const char* insert_event_sql =
    "INSERT INTO events (run_id, event_id, type, time_ms, attributes) VALUES (?, ?, ?, ?, ?)";
constexpr const char* insert_activity_sql =
    "INSERT INTO activities (run_id, seq, type, input, options, attempt, lost, uncounted, started,"
    " cancel_requested, scheduled_ms, available_ms, began_ms, heartbeat_details, last_failure)"
    " VALUES (?, ?, ?, ?, ?, 1, 0, 0, 0, 0, ?, ?, 0, '', '')";
constexpr const char* update_attempt_sql =
    "UPDATE activities SET attempt = ?, lost = ?, uncounted = ?, started = ?, available_ms = ?,"
    " began_ms = ?, last_failure = ? WHERE run_id = ? AND seq = ?";
constexpr const char* select_activities_sql =
    "SELECT seq, type, input, options, attempt, lost, uncounted, started, cancel_requested,"
    " scheduled_ms, available_ms, began_ms, heartbeat_details, last_failure FROM activities"
    " WHERE run_id = ? ORDER BY seq";
constexpr const char* select_runs_sql =
    "SELECT workflow_id, run_id, workflow_type, task_queue, status, started_ms, closed_ms, failure,"
    " history_kept FROM runs";

std::int64_t as_ms(timestamp t) {
    return to_unix_ms(t);
}

timestamp time_at(SQLite::Statement& row, int column) {
    return from_unix_ms(row.getColumn(column).getInt64());
}

std::string text_at(SQLite::Statement& row, int column) {
    return row.getColumn(column).getString();
}

std::optional<failure> failure_at(SQLite::Statement& row, int column) {
    const std::string text = text_at(row, column);
    if (text.empty()) {
        return std::nullopt;
    }
    auto f = failure_from_json(text);
    if (!f) {
        throw std::runtime_error(f.error().detail);
    }
    return *f;
}

std::string text_of(const std::optional<failure>& f) {
    return f ? failure_to_json(*f) : std::string{};
}

void insert_event(SQLite::Database& db, const std::string& run_id, const history_event& e) {
    SQLite::Statement insert(db, insert_event_sql);
    insert.bind(1, run_id);
    insert.bind(2, e.id);
    insert.bind(3, std::string(to_string(e.type)));
    insert.bind(4, as_ms(e.time));
    insert.bind(5, attributes_to_json(e));
    insert.exec();
}

void insert_activity(SQLite::Database& db, const std::string& run_id, const activity_row& a) {
    SQLite::Statement insert(db, insert_activity_sql);
    insert.bind(1, run_id);
    insert.bind(2, static_cast<std::int64_t>(a.seq));
    insert.bind(3, a.type);
    insert.bind(4, a.input);
    insert.bind(5, options_to_json(a.options));
    insert.bind(6, as_ms(a.scheduled));
    insert.bind(7, as_ms(a.available));
    insert.exec();
}

// For the statements whose parameters are (run_id, seq).
void for_each_seq(SQLite::Database& db, const char* statement, const std::string& run_id,
                  const std::vector<std::uint32_t>& seqs) {
    for (const auto seq : seqs) {
        SQLite::Statement change(db, statement);
        change.bind(1, run_id);
        change.bind(2, static_cast<std::int64_t>(seq));
        change.exec();
    }
}

void close_run(SQLite::Database& db, const std::string& run_id, const run_changes::close& c) {
    SQLite::Statement update(
        db, "UPDATE runs SET status = ?, closed_ms = ?, failure = ? WHERE run_id = ?");
    update.bind(1, static_cast<int>(c.status));
    update.bind(2, as_ms(c.at));
    update.bind(3, text_of(c.cause));
    update.bind(4, run_id);
    update.exec();
    for (const char* statement :
         {"DELETE FROM activities WHERE run_id = ?", "DELETE FROM timers WHERE run_id = ?"}) {
        SQLite::Statement remove(db, statement);
        remove.bind(1, run_id);
        remove.exec();
    }
}

run_row run_from(SQLite::Statement& row) {
    run_row r;
    r.workflow_id = text_at(row, 0);
    r.run_id = text_at(row, 1);
    r.workflow_type = text_at(row, 2);
    r.task_queue = text_at(row, 3);
    r.status = static_cast<run_status>(row.getColumn(4).getInt());
    r.started = time_at(row, 5);
    if (!row.getColumn(6).isNull()) {
        r.closed = time_at(row, 6);
    }
    r.cause = failure_at(row, 7);
    r.history_kept = row.getColumn(8).getInt() != 0;
    return r;
}

std::vector<activity_row> load_activities(SQLite::Database& db, const std::string& run_id) {
    std::vector<activity_row> rows;
    SQLite::Statement q(db, select_activities_sql);
    q.bind(1, run_id);
    while (q.executeStep()) {
        activity_row a;
        a.seq = q.getColumn(0).getUInt();
        a.type = text_at(q, 1);
        a.input = text_at(q, 2);
        auto options = options_from_json(text_at(q, 3));
        if (!options) {
            throw std::runtime_error(options.error().detail);
        }
        a.options = std::move(*options);
        a.attempt = q.getColumn(4).getInt();
        a.lost = q.getColumn(5).getInt();
        a.uncounted = q.getColumn(6).getInt();
        a.started = q.getColumn(7).getInt() != 0;
        a.cancel_requested = q.getColumn(8).getInt() != 0;
        a.scheduled = time_at(q, 9);
        a.available = time_at(q, 10);
        a.began = time_at(q, 11);
        a.heartbeat_details = text_at(q, 12);
        a.last_failure = failure_at(q, 13);
        rows.push_back(std::move(a));
    }
    return rows;
}

}  // namespace

void migrate(SQLite::Database& db) {
    const int version = db.execAndGet("PRAGMA user_version").getInt();
    if (version > schema_version) {
        throw std::runtime_error("the workflow database is of a newer version");
    }
    if (version < 1) {
        SQLite::Transaction whole(db, SQLite::TransactionBehavior::IMMEDIATE);
        db.exec(schema);
        whole.commit();
    }
}

bool insert_run(SQLite::Database& db, const run_row& run, const history_event& started) {
    SQLite::Statement insert(db, insert_run_sql);
    insert.bind(1, run.workflow_id);
    insert.bind(2, run.run_id);
    insert.bind(3, run.workflow_type);
    insert.bind(4, run.task_queue);
    insert.bind(5, static_cast<int>(run.status));
    insert.bind(6, as_ms(run.started));
    if (insert.exec() == 0) {
        return false;
    }
    insert_event(db, run.run_id, started);
    return true;
}

void write(SQLite::Database& db, const std::string& run_id, const run_changes& changes) {
    for (const auto& e : changes.events) {
        insert_event(db, run_id, e);
    }
    for (const auto& a : changes.activities_scheduled) {
        insert_activity(db, run_id, a);
    }
    for_each_seq(db, "UPDATE activities SET cancel_requested = 1 WHERE run_id = ? AND seq = ?",
                 run_id, changes.activities_cancel_requested);
    for_each_seq(db, "DELETE FROM activities WHERE run_id = ? AND seq = ?", run_id,
                 changes.activities_removed);
    for (const auto& [seq, at] : changes.timers_put) {
        SQLite::Statement put(db, "INSERT INTO timers (run_id, seq, fire_ms) VALUES (?, ?, ?)");
        put.bind(1, run_id);
        put.bind(2, static_cast<std::int64_t>(seq));
        put.bind(3, as_ms(at));
        put.exec();
    }
    for_each_seq(db, "DELETE FROM timers WHERE run_id = ? AND seq = ?", run_id,
                 changes.timers_removed);
    if (changes.closed) {
        close_run(db, run_id, *changes.closed);
    }
}

void write_attempt(SQLite::Database& db, const std::string& run_id, const activity_row& a) {
    SQLite::Statement update(db, update_attempt_sql);
    update.bind(1, a.attempt);
    update.bind(2, a.lost);
    update.bind(3, a.uncounted);
    update.bind(4, a.started ? 1 : 0);
    update.bind(5, as_ms(a.available));
    update.bind(6, as_ms(a.began));
    update.bind(7, text_of(a.last_failure));
    update.bind(8, run_id);
    update.bind(9, static_cast<std::int64_t>(a.seq));
    update.exec();
}

void write_heartbeat(SQLite::Database& db, const std::string& run_id, std::uint32_t seq,
                     const std::string& details) {
    SQLite::Statement update(
        db, "UPDATE activities SET heartbeat_details = ? WHERE run_id = ? AND seq = ?");
    update.bind(1, details);
    update.bind(2, run_id);
    update.bind(3, static_cast<std::int64_t>(seq));
    update.exec();
}

std::vector<open_run_rows> load_open_runs(SQLite::Database& db) {
    std::vector<open_run_rows> all;
    SQLite::Statement q(db, std::string(select_runs_sql) +
                                " WHERE closed_ms IS NULL ORDER BY started_ms, workflow_id");
    while (q.executeStep()) {
        open_run_rows rows;
        rows.run = run_from(q);
        SQLite::Statement last(db, "SELECT max(event_id) FROM events WHERE run_id = ?");
        last.bind(1, rows.run.run_id);
        last.executeStep();
        rows.last_event_id = last.getColumn(0).getInt64();
        rows.activities = load_activities(db, rows.run.run_id);
        SQLite::Statement timers(db,
                                 "SELECT seq, fire_ms FROM timers WHERE run_id = ? ORDER BY seq");
        timers.bind(1, rows.run.run_id);
        while (timers.executeStep()) {
            rows.timers.emplace_back(timers.getColumn(0).getUInt(), time_at(timers, 1));
        }
        all.push_back(std::move(rows));
    }
    return all;
}

std::vector<history_event> load_history(SQLite::Database& db, const std::string& run_id) {
    std::vector<history_event> events;
    SQLite::Statement q(db,
                        "SELECT event_id, type, time_ms, attributes FROM events WHERE run_id = ?"
                        " ORDER BY event_id");
    q.bind(1, run_id);
    while (q.executeStep()) {
        auto e = event_from(q.getColumn(0).getInt64(), text_at(q, 1), time_at(q, 2), text_at(q, 3));
        if (!e) {
            throw std::runtime_error(e.error().detail);
        }
        events.push_back(std::move(*e));
    }
    return events;
}

std::vector<run_row> list_runs(SQLite::Database& db, const run_query& q) {
    std::string text = std::string(select_runs_sql) + " WHERE workflow_id >= ?";
    text += q.id_prefix.empty() ? "" : " AND workflow_id < ?";
    text += q.status ? " AND status = ?" : "";
    text += q.after ? " AND (started_ms, workflow_id) < (?, ?)" : "";
    text += " ORDER BY started_ms DESC, workflow_id DESC LIMIT ?";
    SQLite::Statement s(db, text);
    int n = 0;
    s.bind(++n, q.id_prefix);
    if (!q.id_prefix.empty()) {
        s.bind(++n, q.id_prefix + "\x7f");  // ids are ASCII
    }
    if (q.status) {
        s.bind(++n, static_cast<int>(*q.status));
    }
    if (q.after) {
        s.bind(++n, as_ms(q.after->started));
        s.bind(++n, q.after->workflow_id);
    }
    s.bind(++n, static_cast<std::int64_t>(q.count_max));
    std::vector<run_row> rows;
    while (s.executeStep()) {
        rows.push_back(run_from(s));
    }
    return rows;
}

run_description description_of(const run_row& row) {
    run_description d;
    d.workflow_id = row.workflow_id;
    d.run_id = row.run_id;
    d.workflow_type = row.workflow_type;
    d.status = row.status;
    d.started = row.started;
    d.closed = row.closed;
    d.last_failure = row.cause;
    return d;
}

std::optional<run_row> find_run(SQLite::Database& db, const std::string& workflow_id) {
    SQLite::Statement q(db, std::string(select_runs_sql) + " WHERE workflow_id = ?");
    q.bind(1, workflow_id);
    if (!q.executeStep()) {
        return std::nullopt;
    }
    return run_from(q);
}

int drop_histories(SQLite::Database& db, timestamp before, int runs_max) {
    std::vector<std::string> run_ids;
    SQLite::Statement q(db,
                        "SELECT run_id FROM runs WHERE closed_ms IS NOT NULL AND history_kept = 1"
                        " AND closed_ms < ? ORDER BY closed_ms LIMIT ?");
    q.bind(1, as_ms(before));
    q.bind(2, runs_max);
    while (q.executeStep()) {
        run_ids.push_back(text_at(q, 0));
    }
    for (const auto& run_id : run_ids) {
        for (const char* statement : {"DELETE FROM events WHERE run_id = ?",
                                      "UPDATE runs SET history_kept = 0 WHERE run_id = ?"}) {
            SQLite::Statement change(db, statement);
            change.bind(1, run_id);
            change.exec();
        }
    }
    return static_cast<int>(run_ids.size());
}

}  // namespace vora::durable::sql
