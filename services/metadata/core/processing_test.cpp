#include "services/metadata/core/processing.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

media_facts some_facts() {
    return {12.5,
            640,
            360,
            {{"360p", 640, 360, 800'000, 700'000, "avc1", 25, 312, 4, 1}},
            {{"truncated", "the end is missing"}}};
}

TEST(processing, ready_stores_everything_that_is_shown) {
    world w;
    const auto v = w.processing_video();
    ASSERT_TRUE(w.run(w.runs.mark_ready(v.id, 1, some_facts())));
    const auto ready = w.stored(v.id);
    EXPECT_EQ(ready.state, video_state::ready);
    EXPECT_EQ(ready.duration_s, 12.5);
    EXPECT_EQ(ready.width, 640);
    EXPECT_EQ(ready.renditions, some_facts().renditions);
    EXPECT_EQ(ready.input_report, some_facts().input_report);
    EXPECT_EQ(ready.playable_at, w.clock.now());
    EXPECT_EQ(ready.version, v.version + 1);
    EXPECT_EQ(w.count("SELECT count(*) FROM Videos WHERE manifest_url = id || '/master.m3u8'"), 1);
}

TEST(processing, called_again_after_a_lost_answer_it_succeeds_without_effect) {
    world w;
    const auto v = w.processing_video();
    ASSERT_TRUE(w.run(w.runs.mark_ready(v.id, 1, some_facts())));
    const auto first = w.stored(v.id);
    w.clock.advance(1s);
    ASSERT_TRUE(w.run(w.runs.mark_ready(v.id, 1, {})));
    EXPECT_EQ(w.stored(v.id), first);
}

TEST(processing, a_stale_run_is_told_never_to_come_back) {
    world w;
    const auto v = w.processing_video();
    for (const auto& r : {w.run(w.runs.mark_ready(v.id, 7, some_facts())),
                          w.run(w.runs.mark_failed(v.id, 7, {"input_empty", ""}))}) {
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, errc::failed_precondition);
        EXPECT_EQ(r.error().reason, "stale_generation");
    }
    EXPECT_EQ(w.run(w.runs.mark_ready(video_id{random_uuid()}, 1, {})).error().reason,
              "video_not_found");
    EXPECT_EQ(w.stored(v.id), v);
}

TEST(processing, a_failure_keeps_known_codes_and_hides_unknown_ones) {
    world w;
    const auto a = w.processing_video("u1");
    ASSERT_TRUE(w.run(w.runs.mark_failed(a.id, 1, {"input_not_video", "text\nin lines"})));
    EXPECT_EQ(w.stored(a.id).failure, (video_failure{"input_not_video", "text in lines"}));
    const auto b = w.processing_video("u2");
    ASSERT_TRUE(w.run(w.runs.mark_failed(b.id, 1, {"segfault at 0x0", std::string(2'000, 'x')})));
    EXPECT_EQ(w.stored(b.id).failure->code, "internal_error");
    EXPECT_EQ(w.stored(b.id).failure->detail.size(), 500u);
}

TEST(processing, a_deletion_goes_step_by_step_and_each_step_twice) {
    world w;
    const auto v = w.processing_video();
    EXPECT_EQ(w.run(w.runs.stop_ingest(v.id, 1)).error().reason, "not_deleting");
    EXPECT_EQ(w.run(w.runs.delete_uploads(v.id, 1)).error().reason, "not_deleting");
    ASSERT_TRUE(w.run(w.all.remove({"anna", false}, v.id)));

    EXPECT_EQ(w.run(w.runs.stop_ingest(v.id, 1)), false) << "asked, still running";
    EXPECT_EQ(w.engine.cancelled, std::vector{ingest_workflow_id(v.id, 1)});
    w.engine.runs[ingest_workflow_id(v.id, 1)].status = durable::run_status::cancelled;
    EXPECT_EQ(w.run(w.runs.stop_ingest(v.id, 1)), true);

    w.uploads.put("u2", v.id, upload_status::open);
    w.uploads.put("other", video_id{random_uuid()}, upload_status::open);
    w.uploads.down = true;
    EXPECT_EQ(w.run(w.runs.delete_uploads(v.id, 1)).error().code, errc::unavailable);
    w.uploads.down = false;
    ASSERT_TRUE(w.run(w.runs.delete_uploads(v.id, 1)));
    ASSERT_TRUE(w.run(w.runs.delete_uploads(v.id, 1)));
    ASSERT_EQ(w.uploads.uploads.size(), 1u);
    EXPECT_EQ(w.uploads.uploads[0].id.value, "other");

    ASSERT_TRUE(w.run(w.runs.finish_delete(v.id, 1)));
    ASSERT_TRUE(w.run(w.runs.finish_delete(v.id, 1)));
    EXPECT_TRUE(w.stored(v.id).deleted_at);
    EXPECT_EQ(w.run(w.runs.mark_ready(v.id, 1, some_facts())).error().reason, "video_deleted");
}

TEST(processing, a_video_that_was_never_processed_has_nothing_to_stop) {
    world w;
    const auto v = w.create();
    ASSERT_TRUE(w.run(w.all.remove({"anna", false}, v.id)));
    EXPECT_EQ(w.run(w.runs.stop_ingest(v.id, 1)), true);
    w.engine.down = true;
    EXPECT_EQ(w.run(w.runs.stop_ingest(v.id, 1)).error().code, errc::unavailable);
}

TEST(progress, is_what_the_activities_tell_asked_once_a_second) {
    world w;
    const auto v = w.processing_video();
    auto& run = w.engine.runs[ingest_workflow_id(v.id, 1)];
    EXPECT_EQ(w.run(w.progress.of(v.id, 1, v.state)), (ingest_progress{"queued", 0, {}}));
    run.pending_activities = {
        {"encode", 1, R"({"stage":"encoding","percent":42.5,"eta_s":12})", ""}};
    EXPECT_EQ(w.run(w.progress.of(v.id, 1, v.state))->stage, "queued") << "remembered";
    w.clock.advance(1s);
    EXPECT_EQ(w.run(w.progress.of(v.id, 1, v.state)), (ingest_progress{"encoding", 42.5, 12}));
    EXPECT_EQ(w.engine.describe_calls, 2);
}

TEST(progress, is_there_for_processing_only_and_never_makes_a_request_fail) {
    world w;
    const auto v = w.processing_video();
    EXPECT_FALSE(w.run(w.progress.of(v.id, 1, video_state::ready)));
    EXPECT_EQ(w.engine.describe_calls, 0);
    w.engine.down = true;
    EXPECT_FALSE(w.run(w.progress.of(v.id, 1, v.state)));
}

TEST(progress, what_follows_the_encode_does_not_begin_at_nothing_again) {
    durable::run_description run;
    run.pending_activities = {{"publish", 1, "", ""}};
    EXPECT_EQ(progress_of_run(run), (ingest_progress{"publishing", 100, {}}));
    run.pending_activities = {{"encode", 1, R"({"stage":"publishing","percent":12})", ""}};
    EXPECT_EQ(progress_of_run(run), (ingest_progress{"publishing", 100, {}}));
}

TEST(progress, odd_details_are_no_progress) {
    durable::run_description run;
    for (const auto* odd : {"", "x", "[]", "7", R"({"percent":"much"})"}) {
        run.pending_activities = {{"encode", 1, odd, ""}};
        EXPECT_EQ(progress_of_run(run), (ingest_progress{"encoding", 0, {}})) << odd;
    }
    run.pending_activities = {{"encode", 1, R"({"percent":1e9,"eta_s":-1})", ""}};
    EXPECT_EQ(progress_of_run(run), (ingest_progress{"encoding", 100, {}}));
}

}  // namespace
}  // namespace vora::metadata
