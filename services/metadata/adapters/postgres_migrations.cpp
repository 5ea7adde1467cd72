#include "services/metadata/adapters/postgres_migrations.hpp"

#include "services/metadata/adapters/sql_reads.hpp"

#include <array>

namespace vora::metadata {

namespace {

// Times are milliseconds since 1970, UTC. Ids are ordered by their bytes, whatever the database's
// language. A migration is never edited: the next one is added.
constexpr const char* migration_1 = R"sql(
CREATE TABLE Videos (
    id                TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    title             TEXT NOT NULL,
    description       TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('CREATED', 'PROCESSING', 'READY', 'FAILED')),
    manifest_url      TEXT,
    visibility        TEXT NOT NULL CHECK (visibility IN ('private', 'public')),
    owner             TEXT COLLATE "C" NOT NULL,
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
    deleted_at        BIGINT,
    delete_attempt    BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX videos_by_age ON Videos (created_at, id) WHERE deleting_at IS NULL;
CREATE INDEX videos_by_owner ON Videos (owner, created_at, id) WHERE deleting_at IS NULL;
CREATE INDEX videos_by_state ON Videos (state, id) WHERE deleting_at IS NULL;
CREATE INDEX videos_in_deletion ON Videos (id)
    WHERE deleting_at IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE Uploads (
    upload_id  TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    video_id   TEXT COLLATE "C" NOT NULL REFERENCES Videos (id),
    state      TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX uploads_by_video ON Uploads (video_id);
CREATE INDEX uploads_by_state ON Uploads (state, updated_at);

CREATE TABLE Outbox (
    video_id      TEXT COLLATE "C" NOT NULL REFERENCES Videos (id),
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

CREATE TABLE IdempotencyKeys (
    owner       TEXT COLLATE "C" NOT NULL,
    operation   TEXT COLLATE "C" NOT NULL,
    request_key TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    PRIMARY KEY (owner, operation, request_key)
);
CREATE INDEX idempotency_keys_by_end ON IdempotencyKeys (expires_at);
)sql";

constexpr std::array migrations{migration_1};

// "vora" as a number, and 1: this service's.
constexpr const char* lock_sql = "SELECT pg_advisory_xact_lock(1987015265, 1)";

bool has_versions(postgres_session& s) {
    return s.query("SELECT to_regclass('schema_version') IS NOT NULL", {}).at(0).flag(0);
}

result<void> check_known(std::size_t stored) {
    if (stored <= migrations.size()) {
        return {};
    }
    return fail(errc::failed_precondition, "database_too_new",
                "the database was written by a newer program: its schema version is " +
                    std::to_string(stored) + ", this program knows " +
                    std::to_string(migrations.size()));
}

}  // namespace

result<void> migrate(postgres_connection& connection) {
    postgres_session s(connection);
    if (has_versions(s)) {
        const auto stored = static_cast<std::size_t>(select_schema_version(s));
        if (stored >= migrations.size()) {
            return check_known(stored);
        }
    }
    s.begin();
    // Another replica may be at it, and a large table takes its time.
    s.run("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0");
    s.query(lock_sql, {});
    s.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
    const auto stored = static_cast<std::size_t>(select_schema_version(s));
    if (auto known = check_known(stored); !known) {
        return known;
    }
    for (std::size_t i = stored; i < migrations.size(); ++i) {
        s.run(migrations[i]);
    }
    if (stored < migrations.size()) {
        s.run("DELETE FROM schema_version");
        s.execute("INSERT INTO schema_version (version) VALUES (?)",
                  {static_cast<std::int64_t>(migrations.size())});
    }
    s.commit();
    return {};
}

result<void> check_schema(postgres_connection& connection) {
    postgres_session s(connection);
    if (!has_versions(s)) {
        return fail(errc::not_found, "database_missing", "no service has been here yet");
    }
    const auto stored = static_cast<std::size_t>(select_schema_version(s));
    if (stored < migrations.size()) {
        return fail(errc::failed_precondition, "database_too_old",
                    "its schema version is " + std::to_string(stored) + ", this program's is " +
                        std::to_string(migrations.size()));
    }
    return check_known(stored);
}

}  // namespace vora::metadata
