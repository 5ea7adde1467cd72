#include "services/metadata/adapters/sqlite_connection.hpp"

#include <sqlite3.h>

#include <array>

namespace vora::metadata {

namespace {

// Portable SQL. Times are milliseconds since 1970, UTC. A migration is never edited: the next one
// is added.
constexpr const char* migration_1 = R"sql(
CREATE TABLE Videos (
    id                TEXT PRIMARY KEY NOT NULL,
    title             TEXT NOT NULL,
    description       TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('CREATED', 'PROCESSING', 'READY', 'FAILED')),
    manifest_url      TEXT,
    visibility        TEXT NOT NULL CHECK (visibility IN ('private', 'public')),
    owner             TEXT NOT NULL,
    generation        BIGINT NOT NULL,
    version           BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    upload_expires_at BIGINT NOT NULL,
    source_upload_id  TEXT,
    playable_at       BIGINT,
    settled_at        BIGINT,
    duration_s        DOUBLE PRECISION,
    width             BIGINT,
    height            BIGINT,
    renditions        TEXT NOT NULL,
    input_report      TEXT NOT NULL,
    error_code        TEXT,
    error_detail      TEXT,
    deleting_at       BIGINT,
    deleted_at        BIGINT
);
CREATE INDEX videos_by_age ON Videos (created_at, id) WHERE deleting_at IS NULL;
CREATE INDEX videos_by_owner ON Videos (owner, created_at, id) WHERE deleting_at IS NULL;
CREATE INDEX videos_by_state ON Videos (state, id) WHERE deleting_at IS NULL;

CREATE TABLE Uploads (
    upload_id  TEXT PRIMARY KEY NOT NULL,
    video_id   TEXT NOT NULL REFERENCES Videos (id),
    state      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX uploads_by_video ON Uploads (video_id);
CREATE INDEX uploads_by_state ON Uploads (state, updated_at);

CREATE TABLE Outbox (
    video_id      TEXT NOT NULL REFERENCES Videos (id),
    generation    BIGINT NOT NULL,
    step          BIGINT NOT NULL,
    source_key    TEXT NOT NULL,
    source_bytes  BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    claimed_until BIGINT,
    sent_at       BIGINT,
    PRIMARY KEY (video_id, generation, step)
);
CREATE INDEX outbox_pending ON Outbox (created_at) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON Outbox (sent_at) WHERE sent_at IS NOT NULL;
)sql";

constexpr const char* migration_2 = R"sql(
ALTER TABLE Videos ADD COLUMN delete_attempt BIGINT NOT NULL DEFAULT 1;
CREATE INDEX videos_in_deletion ON Videos (id)
    WHERE deleting_at IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE IdempotencyKeys (
    owner       TEXT NOT NULL,
    operation   TEXT NOT NULL,
    request_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (owner, operation, request_key)
);
CREATE INDEX idempotency_keys_by_end ON IdempotencyKeys (expires_at);
)sql";

constexpr std::array migrations{migration_1, migration_2};

int stored_version(SQLite::Database& db) {
    SQLite::Statement q(db, "SELECT version FROM schema_version");
    return q.executeStep() ? q.getColumn(0).getInt() : 0;
}

}  // namespace

sqlite_connection::sqlite_connection(const sqlite_options& options, bool writes)
    // A reader opens for writing too: WAL needs its shared memory file.
    : db_(options.path, SQLite::OPEN_READWRITE | (writes ? SQLite::OPEN_CREATE : 0),
          options.busy_timeout_ms) {
    if (writes) {
        SQLite::Statement mode(db_, "PRAGMA journal_mode = WAL");
        mode.executeStep();
    } else {
        db_.exec("PRAGMA query_only = ON");
    }
    db_.exec("PRAGMA synchronous = FULL");
    db_.exec("PRAGMA foreign_keys = ON");
}

error to_error(const SQLite::Exception& e) {
    switch (e.getErrorCode()) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_NOMEM:
        case SQLITE_PROTOCOL:
            return {errc::unavailable, "database_unavailable", e.what()};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {errc::data_loss, "database_damaged", e.what()};
        default:
            return {errc::internal, "database_error", e.what()};
    }
}

result<void> migrate(SQLite::Database& db) {
    try {
        SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
        db.exec("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
        const auto stored = static_cast<std::size_t>(stored_version(db));
        if (stored > migrations.size()) {
            return fail(errc::failed_precondition, "database_too_new",
                        "the database was written by a newer program: its schema version is " +
                            std::to_string(stored) + ", this program knows " +
                            std::to_string(migrations.size()));
        }
        for (std::size_t i = stored; i < migrations.size(); ++i) {
            db.exec(migrations[i]);
        }
        if (stored < migrations.size()) {
            db.exec("DELETE FROM schema_version");
            SQLite::Statement set(db, "INSERT INTO schema_version (version) VALUES (?)");
            set.bind(1, static_cast<std::int64_t>(migrations.size()));
            set.exec();
        }
        transaction.commit();
    } catch (const SQLite::Exception& e) {
        return fail(to_error(e));
    }
    return {};
}

}  // namespace vora::metadata
