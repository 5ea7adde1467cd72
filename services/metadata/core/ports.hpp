#pragma once
// What the core needs of the world. Adapters implement these; the core calls them.

#include "libs/base/task.hpp"
#include "services/metadata/core/video.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vora::metadata {

// What metadata knows of an upload. `surplus`: its bytes are no longer wanted and the upload
// service is yet to be told; `removed`: it has been.
enum class upload_status { open, finished, expired, terminated, surplus, removed };
std::string_view to_string(upload_status s);
std::optional<upload_status> parse_upload_status(std::string_view text);

struct upload_record {
    upload_id id;
    video_id video;
    upload_status status = upload_status::open;
    timestamp updated_at;
};

// Messages to the workflow engine, written in the transaction that makes them necessary. One of a
// kind per video and generation.
enum class outbox_kind { start_ingest = 1, start_delete = 2, cancel_ingest = 3 };

struct outbox_message {
    outbox_kind kind = outbox_kind::start_ingest;
    video_id video;
    std::int64_t generation = 1;
    std::string source_key;         // start_ingest
    std::int64_t source_bytes = 0;  // start_ingest
    timestamp created_at;
    int attempts = 0;                 // claims so far; its number of the one who claimed it
    std::int64_t delete_attempt = 1;  // start_delete, as of the claim: names the run
    bool unwanted = false;  // as of the claim: the ingest that it starts has no video any more
};

// A change that was asked for under a key of the client's, so that asking again changes nothing.
struct answer_key {
    std::string owner;      // subject of the caller: keys of others are other keys
    std::string operation;  // "create_video"
    std::string text;       // as the client gave it
    auto operator<=>(const answer_key&) const = default;
};
struct kept_answer {
    std::string fingerprint;  // of the request
    metadata::video video;    // as it was answered
    timestamp expires_at;
};

// One transaction, on the database's thread: no waiting, no other I/O inside. Every method returns
// unavailable ("database_unavailable") when the database is locked, full or away; the transaction
// is then rolled back whatever the body returns.
class video_transaction {
 public:
    virtual ~video_transaction() = default;
    // The row, locked until the end of the transaction; deleted ones too.
    virtual result<std::optional<video>> find(const video_id& id) = 0;
    // already_exists ("video_exists").
    virtual result<void> insert(const video& v) = 0;
    // Stores a video whose rule has just raised the version by one; aborted ("lost_race") when the
    // stored version is not the one before.
    virtual result<void> update(const video& v) = 0;

    virtual result<std::optional<upload_record>> find_upload(const upload_id& id) = 0;
    virtual result<void> put_upload(const upload_record& u) = 0;  // inserts or replaces

    // already_exists ("outbox_exists") for the same kind, video and generation.
    virtual result<void> add_outbox(const outbox_message& m) = 0;
    // Takes back messages of the kind that nobody has claimed yet.
    virtual result<void> withdraw_outbox(const video_id& id, outbox_kind kind) = 0;
    // The same, over a message that was sent long ago: it is to be sent again.
    virtual result<void> renew_outbox(const outbox_message& m) = 0;
    // Unsent messages in order of age, none whose video has an earlier unsent one; each is the
    // caller's until `until`.
    virtual result<std::vector<outbox_message>> claim_outbox(timestamp now, timestamp until,
                                                             std::size_t count_max) = 0;
    // By the claim's number. False when the claim ran out and the message is somebody else's by
    // now, or sent: nothing was noted.
    virtual result<bool> outbox_sent(const outbox_message& m, timestamp now) = 0;
    // Gives a claim back at once: the message was not delivered. Only the caller's own.
    virtual result<void> release_outbox(const outbox_message& m) = 0;
    // At start: claims of an earlier life are void. Where other replicas may hold some, nothing:
    // who died, died with a lease.
    virtual result<void> release_all_claims() = 0;
    // Sent before `before`: no longer needed for anything.
    virtual result<void> forget_sent_outbox(timestamp before, std::size_t count_max) = 0;

    // already_exists ("answer_exists") while one that has not expired stands under the key.
    virtual result<void> keep_answer(const answer_key& k, const kept_answer& a, timestamp now) = 0;
    virtual result<void> forget_answers(timestamp expired_before, std::size_t count_max) = 0;
};

struct list_position {
    timestamp created_at;
    video_id id;
};

// Newest first.
struct list_query {
    std::optional<std::string> owner;
    std::optional<video_state> state;
    std::optional<list_position> after;
    std::size_t count_max = 50;
};

struct outbox_view {
    std::int64_t pending = 0;
    std::optional<timestamp> oldest;
};

struct unsettled_video {
    metadata::video video;
    bool start_pending = false;  // its start message is not sent yet
};

// The authoritative store. Reads see committed data; the one way to change something is a
// transaction.
class video_repository {
 public:
    virtual ~video_repository() = default;

    using transaction_body = std::function<result<void>(video_transaction&)>;
    // Runs the body in one transaction: committed and durable when this returns success, rolled
    // back when the body fails (its error is returned) or the commit does. Transactions that find
    // the same video or upload run one after the other. The body runs on another thread and perhaps
    // more than once: it touches only what it captured.
    virtual task<result<void>> in_transaction(transaction_body body) = 0;

    // Deleted ones too.
    virtual task<result<std::optional<video>>> find(video_id id) = 0;
    virtual task<result<std::vector<video>>> list(list_query q) = 0;
    virtual task<result<std::optional<upload_record>>> find_upload(upload_id id) = 0;
    virtual task<result<std::vector<upload_record>>> uploads_of(video_id id) = 0;
    // Not deleted, in this state, in order of id, after `after`.
    virtual task<result<std::vector<unsettled_video>>> in_state(video_state s, video_id after,
                                                                std::size_t count_max) = 0;
    // Being deleted, not deleted, in order of id, after `after`; start_pending is of the deletion.
    virtual task<result<std::vector<unsettled_video>>> in_deletion(video_id after,
                                                                   std::size_t count_max) = 0;
    // Unless it has expired.
    virtual task<result<std::optional<kept_answer>>> find_answer(answer_key k, timestamp now) = 0;
    // Surplus ones, and sources of videos settled at or before `settled_before`.
    virtual task<result<std::vector<upload_record>>> removable_uploads(timestamp settled_before,
                                                                       std::size_t count_max) = 0;
    virtual task<result<outbox_view>> outbox() = 0;
    virtual task<result<void>> ping() = 0;
};

// in_transaction with a value.
template <class T>
task<result<T>> transact(video_repository& repository,
                         std::function<result<T>(video_transaction&)> body) {
    std::optional<T> value;
    auto done =
        co_await repository.in_transaction([&value, &body](video_transaction& t) -> result<void> {
            auto r = body(t);
            if (!r) {
                return fail(std::move(r.error()));
            }
            value.emplace(std::move(*r));
            return {};
        });
    if (!done) {
        co_return fail(std::move(done.error()));
    }
    co_return std::move(*value);
}

// The upload service's own view of an upload.
struct upload_view {
    upload_id id;
    upload_status status = upload_status::open;  // open, finished, expired or terminated
    std::int64_t size_bytes = 0;                 // of a finished one
    std::string reference;
    std::string object_key;
};

// Every call: unavailable or deadline_exceeded ("upload_service_unavailable") when it cannot be
// asked now.
class upload_service {
 public:
    virtual ~upload_service() = default;
    // not_found ("upload_not_found").
    virtual task<result<upload_view>> find(upload_id id) = 0;
    virtual task<result<std::vector<upload_view>>> with_reference(std::string reference) = 0;
    // Bytes and state. Idempotent.
    virtual task<result<void>> remove(upload_id id) = 0;
};

struct ingest_progress {
    std::string stage;
    double percent = 0;
    std::optional<double> eta_s;
    bool operator==(const ingest_progress&) const = default;
};

enum class run_status { running, completed, failed, cancelled, terminated, timed_out };

struct run_view {
    run_status status = run_status::running;
    std::string failure_code;  // of what really happened, when it failed
    ingest_progress progress;  // while running
};

// The workflow engine. Every call: unavailable or deadline_exceeded when it is away.
class workflow_engine {
 public:
    virtual ~workflow_engine() = default;
    // Success when that run is there already, open or closed. Any other error than those of the
    // class is final: the same call can never succeed.
    virtual task<result<void>> start_ingest(outbox_message m) = 0;
    virtual task<result<void>> start_delete(outbox_message m) = 0;
    // Asks the run to end. Success when it has ended or never was.
    virtual task<result<void>> cancel_ingest(video_id id, std::int64_t generation) = 0;
    // not_found when there never was such a run.
    virtual task<result<run_view>> describe_ingest(video_id id, std::int64_t generation) = 0;
    virtual task<result<run_view>> describe_delete(video_id id, std::int64_t attempt) = 0;
};

}  // namespace vora::metadata
