#include "services/metadata/core/video.hpp"

#include "libs/base/crypto.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

const timestamp now = from_unix_ms(1'790'000'000'123);

video fresh() {
    return create_video({"title", "text", visibility::only_owner, "anna"}, video_id{random_uuid()},
                        now, std::chrono::seconds(60));
}

video in_state(video_state s) {
    auto v = fresh();
    if (s == video_state::created) {
        return v;
    }
    EXPECT_TRUE(begin_processing(v, upload_id{"u"}, now));
    if (s == video_state::ready) {
        EXPECT_TRUE(finish_ready(v, 1, {}, now));
    }
    if (s == video_state::failed) {
        EXPECT_TRUE(finish_failed(v, 1, {"input_empty", ""}, now));
    }
    return v;
}

TEST(video, a_new_one_is_created_private_and_waits_for_its_upload) {
    const auto v = fresh();
    EXPECT_EQ(v.state, video_state::created);
    EXPECT_EQ(v.version, 1);
    EXPECT_EQ(v.generation, 1);
    EXPECT_EQ(v.upload_expires_at, from_unix_ms(1'790'000'060'000)) << "whole seconds";
    EXPECT_FALSE(is_playable(v));
}

TEST(video, only_a_created_one_begins_processing) {
    for (const auto s : {video_state::processing, video_state::ready, video_state::failed}) {
        auto v = in_state(s);
        const auto before = v;
        const auto r = begin_processing(v, upload_id{"other"}, now);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().reason, "wrong_state");
        EXPECT_EQ(v, before);
    }
}

TEST(video, each_change_raises_the_version_by_one) {
    auto v = fresh();
    ASSERT_TRUE(begin_processing(v, upload_id{"u"}, now + 1s));
    EXPECT_EQ(v.version, 2);
    EXPECT_EQ(v.updated_at, now + 1s);
    ASSERT_TRUE(finish_ready(v, 1, {}, now + 2s));
    EXPECT_EQ(v.version, 3);
    EXPECT_EQ(v.playable_at, now + 2s);
}

TEST(video, a_patch_that_changes_nothing_leaves_the_version) {
    auto v = fresh();
    EXPECT_FALSE(apply_patch(v, {"title", std::nullopt, visibility::only_owner}, now + 1s));
    EXPECT_EQ(v.version, 1);
    EXPECT_TRUE(apply_patch(v, {std::nullopt, "other", std::nullopt}, now + 1s));
    EXPECT_EQ(v.version, 2);
}

TEST(video, a_clock_set_back_does_not_make_a_change_older) {
    auto v = fresh();
    apply_patch(v, {"new", std::nullopt, std::nullopt}, now - 1h);
    EXPECT_EQ(v.updated_at, now);
}

TEST(video, the_same_end_again_is_a_repetition_without_effect) {
    auto ready = in_state(video_state::ready);
    auto before = ready;
    EXPECT_EQ(finish_ready(ready, 1, {5, 1, 1, {}, {}}, now + 1s), transition::repeated);
    EXPECT_EQ(ready, before);
    auto failed = in_state(video_state::failed);
    before = failed;
    EXPECT_EQ(finish_failed(failed, 1, {"cancelled", ""}, now + 1s), transition::repeated);
    EXPECT_EQ(failed, before);
}

TEST(video, the_other_end_is_refused_for_good) {
    auto ready = in_state(video_state::ready);
    EXPECT_EQ(finish_failed(ready, 1, {"cancelled", ""}, now).error().reason, "wrong_state");
    auto failed = in_state(video_state::failed);
    EXPECT_EQ(finish_ready(failed, 1, {}, now).error().reason, "wrong_state");
    auto created = in_state(video_state::created);
    EXPECT_EQ(finish_ready(created, 1, {}, now).error().reason, "wrong_state");
    EXPECT_EQ(finish_failed(created, 1, {"x", ""}, now).error().reason, "wrong_state");
}

TEST(video, a_run_of_another_generation_changes_nothing) {
    for (const auto generation : {0, 1, 3}) {
        auto v = in_state(video_state::processing);
        v.generation = 2;
        const auto before = v;
        EXPECT_EQ(finish_ready(v, generation, {}, now).error().reason, "stale_generation");
        EXPECT_EQ(finish_failed(v, generation, {"x", ""}, now).error().reason, "stale_generation");
        EXPECT_EQ(v, before);
    }
}

TEST(video, a_late_result_meets_the_deletion) {
    auto v = in_state(video_state::processing);
    begin_delete(v, now);
    EXPECT_EQ(finish_ready(v, 1, {}, now).error().reason, "video_deleted");
    EXPECT_EQ(finish_failed(v, 1, {"x", ""}, now).error().reason, "video_deleted");
    EXPECT_EQ(finish_delete(v, 1, now), transition::applied);
    EXPECT_EQ(finish_ready(v, 1, {}, now).error().reason, "video_deleted");
}

TEST(video, the_tombstone_keeps_nothing_a_person_wrote) {
    auto v = in_state(video_state::ready);
    begin_delete(v, now);
    EXPECT_FALSE(is_playable(v));
    ASSERT_EQ(finish_delete(v, 1, now + 1s), transition::applied);
    EXPECT_EQ(v.title, "");
    EXPECT_EQ(v.description, "");
    EXPECT_EQ(v.deleted_at, now + 1s);
    EXPECT_EQ(finish_delete(v, 1, now + 2s), transition::repeated);
}

TEST(video, deletion_steps_need_a_deletion_that_was_asked_for) {
    auto v = in_state(video_state::ready);
    EXPECT_EQ(finish_delete(v, 1, now).error().reason, "not_deleting");
    begin_delete(v, now);
    EXPECT_EQ(finish_delete(v, 2, now).error().reason, "stale_generation");
}

TEST(video, a_failed_one_is_not_playable) {
    auto v = in_state(video_state::processing);
    v.playable_at = now;
    ASSERT_TRUE(finish_failed(v, 1, {"internal_error", ""}, now));
    EXPECT_FALSE(is_playable(v));
}

TEST(video, a_reference_names_its_video_and_nothing_else_does) {
    const auto v = fresh();
    EXPECT_EQ(video_of_reference(reference_of(v.id)), v.id);
    for (const auto* bad :
         {"", "v.", "v.x", "x.7b0e5a5e-0000-4000-8000-000000000000",
          "v.7B0E5A5E-0000-4000-8000-000000000000", "v.7b0e5a5e-0000-4000-8000-000000000000 "}) {
        EXPECT_FALSE(video_of_reference(bad)) << bad;
    }
}

TEST(video, a_later_generation_has_its_own_place) {
    EXPECT_EQ(output_prefix(video_id{"a"}, 1), "a/");
    EXPECT_EQ(output_prefix(video_id{"a"}, 3), "a/g3/");
}

}  // namespace
}  // namespace vora::metadata
