#pragma once
// The reading half of the port, the same for both databases: each read is one statement that sees
// the last commit.

#include "services/metadata/core/ports.hpp"

#include <functional>

namespace vora::metadata {

class sql_session;

class sql_video_repository : public video_repository {
 public:
    // Blocking, once, at start: brings the schema up to date. Errors: unavailable,
    // failed_precondition ("database_too_new"), data_loss.
    virtual result<void> open() = 0;
    // Called on the loop for each video that a transaction updated, before in_transaction returns;
    // also when the commit failed, since what a failed commit has left is not known. Before open().
    void on_updated(std::function<void(const video_id&)> f) { updated_ = std::move(f); }
    // Called on the loop when others may have changed videos and nobody can say which.
    void on_missed(std::function<void()> f) { missed_ = std::move(f); }

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

 protected:
    // Runs f on a thread, perhaps more than once; what it throws is the error. Both outlive this.
    using reading = std::function<void(sql_session&)>;
    virtual task<result<void>> read(reading f) = 0;

    void tell_updated(const video_id& id) const {
        if (updated_) {
            updated_(id);
        }
    }
    void tell_missed() const {
        if (missed_) {
            missed_();
        }
    }

 private:
    // f's value, from a thread.
    template <class F>
    auto ask(F f) -> task<result<std::invoke_result_t<F, sql_session&>>>;

    std::function<void(const video_id&)> updated_;
    std::function<void()> missed_;
};

}  // namespace vora::metadata
