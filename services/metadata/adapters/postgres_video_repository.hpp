#pragma once
// The video repository in PostgreSQL, for any number of replicas. READ COMMITTED: what a
// transaction reads of a video or an upload it holds until its end (SELECT ... FOR UPDATE),
// messages are claimed with SKIP LOCKED, keys are unique, versions are conditions. A deadlock or a
// serialization failure runs the body again.
//
// Each call borrows one of a bounded number of connections on a thread of the repository's own and
// ends within `patience`, its place in the queue included: then the socket is shut down. A server
// that is away, stopped, full or a standby is unavailable ("database_unavailable") and heals by
// itself. So is a connection that is lost during COMMIT: what became of it is not known, and asking
// again under the same idempotency key settles it.
//
// Updates are told to the other replicas by NOTIFY, in the transaction that makes them. So the
// database is reached directly or through a pooler that keeps sessions apart.

#include "libs/base/async.hpp"
#include "services/metadata/adapters/sql_video_repository.hpp"

#include <memory>
#include <string>

namespace vora::metadata {

struct postgres_options {
    std::size_t connections = 8;  // and one that listens
    milliseconds patience{1'500};
    milliseconds open_patience{60'000};  // migrations included
};

class postgres_video_repository final : public sql_video_repository {
 public:
    // `url` as of parse_postgres_url(): a bad one is open()'s error. Nothing is opened before.
    postgres_video_repository(executor ex, const std::string& url, postgres_options options = {});
    ~postgres_video_repository() override;

    result<void> open() override;
    task<result<void>> in_transaction(transaction_body body) override;

 protected:
    task<result<void>> read(reading f) override;

 private:
    struct state;
    struct listening;
    void hear(const std::string& said) const;

    executor ex_;
    std::shared_ptr<state> state_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // looked at on the loop
    std::unique_ptr<listening> listening_;
    blocking_pool threads_;  // last: joined before anything it works on goes
};

}  // namespace vora::metadata
