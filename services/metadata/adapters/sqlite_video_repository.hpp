#pragma once
// The video repository in one SQLite file. Transactions run one after the other on a thread of
// their own with the one writing connection (BEGIN IMMEDIATE, so a read inside holds the row);
// reads run on the shared pool, each on an idle reading connection, and see the last commit. A
// locked, full or unreadable file is unavailable ("database_unavailable") and heals by itself;
// nothing is kept in memory.

#include "libs/base/async.hpp"
#include "services/metadata/core/ports.hpp"

#include <memory>
#include <string>

namespace vora::metadata {

class sqlite_video_repository final : public video_repository {
 public:
    // Nothing is opened before open().
    sqlite_video_repository(blocking_pool& readers, std::string path);
    ~sqlite_video_repository() override;

    // Blocking, once, at start: creates the file, brings the schema up to date. Errors:
    // unavailable, failed_precondition ("database_too_new"), data_loss.
    result<void> open();
    // Called on the loop for each video that a transaction updated, before in_transaction returns;
    // also when the commit failed, since what a failed commit has left is not known. Before use.
    void on_updated(std::function<void(const video_id&)> f);

    task<result<void>> in_transaction(transaction_body body) override;
    task<result<std::optional<video>>> find(video_id id) override;
    task<result<std::vector<video>>> list(list_query q) override;
    task<result<std::optional<upload_record>>> find_upload(upload_id id) override;
    task<result<std::vector<upload_record>>> uploads_of(video_id id) override;
    task<result<std::vector<unsettled_video>>> in_state(video_state s, video_id after,
                                                        std::size_t count_max) override;
    task<result<std::vector<unsettled_video>>> in_deletion(video_id after,
                                                           std::size_t count_max) override;
    task<result<std::optional<kept_answer>>> find_answer(answer_key k, timestamp now) override;
    task<result<std::vector<upload_record>>> removable_uploads(timestamp settled_before,
                                                               std::size_t count_max) override;
    task<result<outbox_view>> outbox() override;
    task<result<void>> ping() override;

 private:
    struct state;
    std::shared_ptr<state> state_;
    blocking_pool writing_{1};  // last: joined before anything it works on goes
};

// The path of "sqlite:PATH"; invalid_argument ("bad_database_url") for any other URL.
result<std::string> sqlite_path(const std::string& url);

}  // namespace vora::metadata
