#include "services/metadata/core/retry.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

struct retry_world : world {
    ingest_retry again{repository, uploads, clock, [this] { ++woken; }};
    int woken = 0;

    video failed_video(const std::string& code) {
        const auto v = processing_video();
        run(runs.mark_failed(v.id, 1, {code, "detail"})).value();
        return stored(v.id);
    }
    std::string refusal(const video_id& id, std::int64_t generation) {
        const auto r = run(again.retry(id, generation));
        return r ? "accepted" : r.error().reason;
    }
};

TEST(retry, a_failed_video_is_processed_again_under_the_next_generation) {
    retry_world w;
    const auto v = w.failed_video("internal_error");
    const auto begun = w.run(w.again.retry(v.id, 1));
    ASSERT_TRUE(begun) << begun.error().reason;
    EXPECT_EQ(*begun, 2);
    EXPECT_EQ(w.woken, 1);
    const auto now = w.stored(v.id);
    EXPECT_EQ(now.state, video_state::processing);
    EXPECT_EQ(now.generation, 2);
    EXPECT_EQ(now.version, v.version + 1);
    EXPECT_FALSE(now.failure);
    EXPECT_FALSE(now.settled_at);

    w.run(w.relay.run_once()).value();
    ASSERT_EQ(w.engine.started.size(), 2u);
    EXPECT_EQ(w.engine.started.back().workflow_id, "video-" + v.id.value + "-g2");
    EXPECT_NE(w.engine.started.back().input.find(v.id.value + "/g2/"), std::string::npos);
    EXPECT_EQ(w.run(w.runs.mark_failed(v.id, 1, {"internal_error", ""})).error().reason,
              "stale_generation");
    EXPECT_TRUE(w.run(w.runs.mark_ready(v.id, 2, {})));
}

TEST(retry, the_same_wish_twice_starts_one_run) {
    retry_world w;
    const auto v = w.failed_video("encoder_crashed");
    EXPECT_EQ(w.refusal(v.id, 1), "accepted");
    EXPECT_EQ(w.refusal(v.id, 1), "stale_generation");
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox WHERE step = 1"), 2);
}

TEST(retry, what_another_try_cannot_change_is_refused) {
    retry_world w;
    EXPECT_EQ(w.refusal(w.failed_video("input_not_video").id, 1), "not_retryable");
    EXPECT_EQ(w.refusal(w.processing_video("u2").id, 1), "wrong_state");
    EXPECT_EQ(w.refusal(video_id{random_uuid()}, 1), "video_not_found");
}

TEST(retry, without_its_source_nothing_changes) {
    retry_world w;
    const auto v = w.failed_video("internal_error");
    w.uploads.uploads.clear();
    EXPECT_EQ(w.refusal(v.id, 1), "source_removed");
    EXPECT_EQ(w.stored(v.id), v);

    w.uploads.put("u1", v.id, upload_status::finished);  // removed, not yet gone
    w.run(w.repository.in_transaction([&](video_transaction& t) {
         return t.put_upload({upload_id{"u1"}, v.id, upload_status::removed, w.clock.now()});
     })).value();
    EXPECT_EQ(w.refusal(v.id, 1), "source_removed");
    EXPECT_EQ(w.stored(v.id), v);
    w.uploads.down = true;
    EXPECT_EQ(w.refusal(v.id, 1), "upload_service_unavailable");
}

}  // namespace
}  // namespace vora::metadata
