#pragma once
// Asking twice for one change: the answer to a request that carries a key of the client's is kept
// in the transaction that makes the change. The same request under the same key gets that answer
// again; another request under it is refused. Only what succeeded is kept: what failed has changed
// nothing and may be tried again.

#include "services/metadata/core/ports.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace vora::metadata {

inline constexpr std::size_t idempotency_key_bytes_max = 255;

// Handed to the change: its last words in its transaction. The default one keeps nothing.
class answer_keeper {
 public:
    answer_keeper() = default;
    // already_exists ("answer_exists") when another process was faster; then nothing may be
    // committed.
    result<void> keep(video_transaction& t, const video& answer) const;

 private:
    friend class idempotency;
    struct state;
    explicit answer_keeper(std::shared_ptr<state> s) : state_(std::move(s)) {}
    std::shared_ptr<state> state_;
};

struct change_request {
    std::string subject;             // who asks
    std::string operation;           // "create_video"
    std::optional<std::string> key;  // nullopt: none was given
    std::string fingerprint;         // fingerprint_of what is asked
};

struct change_answer {
    metadata::video video;
    bool replayed = false;  // kept from the first time
};

// A hash over the parts of a request; no two different lists of parts give one text.
std::string fingerprint_of(std::initializer_list<std::string_view> parts);

class idempotency {
 public:
    idempotency(video_repository& repository, const clock_source& clock, std::chrono::seconds ttl);

    using change = std::function<task<result<video>>(answer_keeper)>;
    // Makes the change, or finds that it is made. Its errors, and: invalid_argument
    // ("bad_idempotency_key"), failed_precondition ("idempotency_key_reused": the key belongs to
    // another request), aborted ("request_in_flight": the first one has no answer yet).
    task<result<change_answer>> run(change_request request, change make);

 private:
    task<result<change_answer>> run_keyed(answer_key key, std::string fingerprint, change make);
    task<result<std::optional<change_answer>>> look_up(answer_key key, std::string fingerprint);

    video_repository& repository_;
    const clock_source& clock_;
    std::chrono::seconds ttl_;
    std::map<answer_key, std::string> running_;  // fingerprints; as many as requests are open
};

}  // namespace vora::metadata
