#include "services/metadata/core/settler.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

struct settlers : testing::Test {
    world w;

    durable::run_description& run_of(const video& v) {
        return w.engine.runs[ingest_workflow_id(v.id, v.generation)];
    }
    sweep_report sweep_runs() { return w.run(w.sweeps.settle_processing()).value(); }
    sweep_report sweep_uploads() { return w.run(w.sweeps.settle_created()).value(); }
};

TEST_F(settlers, a_running_run_is_left_alone) {
    const auto v = w.processing_video();
    EXPECT_EQ(sweep_runs().changed, 0u);
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(settlers, a_video_waiting_for_the_engine_is_left_alone) {
    const auto v = w.create();
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(w.run(w.ends.notice({"anna", false}, v.id, upload_id{"u1"})));
    EXPECT_EQ(sweep_runs().changed, 0u);
    EXPECT_EQ(w.stored(v.id).state, video_state::processing);
}

TEST_F(settlers, a_run_that_is_lost_fails_its_video) {
    const auto v = w.processing_video();
    w.engine.runs.clear();
    EXPECT_EQ(sweep_runs().changed, 0u) << "one look is not enough";
    EXPECT_EQ(sweep_runs().changed, 1u);
    EXPECT_EQ(w.stored(v.id).failure->code, "internal_error");
    EXPECT_EQ(sweep_runs().seen, 0u);
}

TEST_F(settlers, a_run_that_an_engine_did_not_know_at_first_is_not_lost) {
    const auto v = w.processing_video();
    const auto known = w.engine.runs;
    for (int i = 0; i < 3; ++i) {
        w.engine.runs.clear();
        EXPECT_EQ(sweep_runs().changed, 0u);
        w.engine.runs = known;
        EXPECT_EQ(sweep_runs().changed, 0u);
    }
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(settlers, a_closed_run_ends_its_video_with_its_own_reason) {
    struct ending {
        durable::run_status status;
        std::optional<durable::failure> failure;
        std::string code;
    };
    auto wrapped = durable::failure::application("activity", "encode failed");
    wrapped.cause = std::make_shared<durable::failure>(
        durable::failure::application("encoder_crashed", "signal 11"));
    const std::vector<ending> endings{
        {durable::run_status::completed, {}, "internal_error"},
        {durable::run_status::terminated, {}, "internal_error"},
        {durable::run_status::timed_out, {}, "internal_error"},
        {durable::run_status::cancelled, durable::failure::cancelled(), "cancelled"},
        {durable::run_status::failed, durable::failure::application("input_damaged", ""),
         "input_damaged"},
        {durable::run_status::failed, wrapped, "encoder_crashed"},
        {durable::run_status::failed, durable::failure::application("bad_alloc", ""),
         "internal_error"},
    };
    for (std::size_t i = 0; i < endings.size(); ++i) {
        const auto v = w.processing_video("u" + std::to_string(i));
        run_of(v).status = endings[i].status;
        run_of(v).last_failure = endings[i].failure;
        EXPECT_EQ(sweep_runs().changed, 1u);
        EXPECT_EQ(w.stored(v.id).failure->code, endings[i].code) << i;
    }
}

TEST_F(settlers, an_engine_that_is_away_says_nothing_about_its_runs) {
    const auto v = w.processing_video();
    w.engine.runs.clear();
    w.engine.down = true;
    EXPECT_EQ(sweep_runs().unavailable, 1u);
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(settlers, a_finished_upload_whose_hook_never_came_is_found) {
    const auto v = w.create();
    w.uploads.put("u1", v.id, upload_status::open);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).state, video_state::created);
    w.uploads.put("u1", v.id, upload_status::finished);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).state, video_state::processing);
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 1);
}

TEST_F(settlers, a_grant_that_ran_out_unused_fails_its_video) {
    const auto v = w.create();
    w.clock.advance(86'399s);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).state, video_state::created);
    w.clock.advance(1s);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).failure->code, "upload_expired");
}

TEST_F(settlers, an_open_upload_outlives_the_grant) {
    const auto v = w.create();
    w.uploads.put("u1", v.id, upload_status::open);
    w.clock.advance(200'000s);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).state, video_state::created);
    w.uploads.put("u1", v.id, upload_status::expired);
    sweep_uploads();
    EXPECT_EQ(w.stored(v.id).failure->code, "upload_expired");
}

TEST_F(settlers, with_the_upload_service_away_no_video_is_given_up) {
    const auto v = w.create();
    w.clock.advance(200'000s);
    w.uploads.down = true;
    EXPECT_EQ(sweep_uploads().unavailable, 1u);
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(settlers, every_video_is_reached_however_many_there_are) {
    w.create_many(150);
    w.clock.advance(200'000s);
    EXPECT_EQ(sweep_uploads().seen, 150u);
    EXPECT_EQ(w.count("SELECT count(*) FROM Videos WHERE state = 'FAILED'"), 150);
}

TEST_F(settlers, one_sweep_is_bounded_and_the_next_goes_on_where_it_ended) {
    w.create_many(1'050);
    EXPECT_EQ(sweep_uploads().seen, 1'000u);
    EXPECT_EQ(w.uploads.listings, 1'000);
    EXPECT_EQ(sweep_uploads().seen, 50u);
}

TEST_F(settlers, originals_are_removed_when_their_time_has_come_and_not_before) {
    const auto v = w.processing_video();
    w.clock.advance(30 * 86'400s);
    EXPECT_EQ(w.run(w.collector.collect())->seen, 0u) << "it is still being processed";
    ASSERT_TRUE(w.run(w.runs.mark_ready(v.id, 1, {})));
    w.clock.advance(world::retention - 1s);
    EXPECT_EQ(w.run(w.collector.collect())->seen, 0u);
    w.clock.advance(1s);
    EXPECT_EQ(w.run(w.collector.collect())->changed, 1u);
    EXPECT_EQ(w.uploads.removed, std::vector{upload_id{"u1"}});
    EXPECT_EQ(w.run(w.collector.collect())->seen, 0u);
    EXPECT_EQ(w.stored(v.id).state, video_state::ready);
}

TEST_F(settlers, an_original_that_cannot_be_removed_does_not_keep_the_others) {
    for (const auto* upload : {"a", "b", "c"}) {
        const auto v = w.processing_video(upload);
        ASSERT_TRUE(w.run(w.runs.mark_ready(v.id, 1, {})));
    }
    w.clock.advance(world::retention);
    w.uploads.stuck = {upload_id{"a"}};
    const auto report = w.run(w.collector.collect()).value();
    EXPECT_EQ(report.changed, 2u);
    EXPECT_EQ(report.unavailable, 1u);
    w.uploads.stuck.clear();
    EXPECT_EQ(w.run(w.collector.collect())->changed, 1u);
}

}  // namespace
}  // namespace vora::metadata
