#include "services/metadata/core/completion.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

const caller anna{"anna", false};

struct completions : testing::Test {
    world w;
    video v = w.create();

    result<video> notice(const std::string& upload) {
        return w.run(w.ends.notice(anna, v.id, upload_id{upload}));
    }
    result<void> hook(const std::string& upload, upload_status s = upload_status::finished) {
        return w.run(w.ends.hook({s, upload_id{upload}, reference_of(v.id)}));
    }
    void expect_started_once() {
        EXPECT_EQ(w.stored(v.id).state, video_state::processing);
        EXPECT_EQ(w.stored(v.id).version, 2);
        EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 1);
        EXPECT_EQ(w.outbox_written, 1);
    }
};

TEST_F(completions, a_notice_alone_starts_processing) {
    w.uploads.put("u1", v.id, upload_status::finished);
    EXPECT_EQ(notice("u1")->state, video_state::processing);
    expect_started_once();
}

TEST_F(completions, a_hook_alone_starts_processing) {
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u1"));
    expect_started_once();
}

TEST_F(completions, every_order_and_number_of_notices_starts_it_once) {
    w.uploads.put("u1", v.id, upload_status::open);
    EXPECT_EQ(notice("u1")->state, video_state::created) << "remembered, no more";
    w.uploads.put("u1", v.id, upload_status::finished);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(hook("u1"));
        EXPECT_EQ(notice("u1")->state, video_state::processing);
    }
    expect_started_once();
    EXPECT_EQ(w.surplus_found, 0);
}

task<> notice_once(world& w, video_id id) {
    auto r = co_await w.ends.notice(anna, id, upload_id{"u1"});
    EXPECT_TRUE(r);
}

task<> hook_once(world& w, video_id id, std::string upload) {
    auto r = co_await w.ends.hook({upload_status::finished, upload_id{upload}, reference_of(id)});
    EXPECT_TRUE(r);
}

TEST_F(completions, a_hundred_at_once_start_it_once) {
    w.uploads.put("u1", v.id, upload_status::finished);
    task_group group(w.loop.executor());
    for (int i = 0; i < 50; ++i) {
        group.spawn(notice_once(w, v.id));
        group.spawn(hook_once(w, v.id, "u1"));
    }
    w.run(group.join());
    expect_started_once();
}

TEST_F(completions, of_many_uploads_finished_at_once_one_wins_and_the_others_are_collected) {
    task_group group(w.loop.executor());
    for (int i = 0; i < 10; ++i) {
        w.uploads.put("u" + std::to_string(i), v.id, upload_status::finished);
        group.spawn(hook_once(w, v.id, "u" + std::to_string(i)));
    }
    w.run(group.join());
    expect_started_once();
    ASSERT_EQ(w.run(w.collector.collect())->changed, 9u);
    ASSERT_EQ(w.uploads.uploads.size(), 1u);
    EXPECT_EQ(w.uploads.uploads[0].id, w.stored(v.id).source);
    EXPECT_EQ(w.run(w.collector.collect())->seen, 0u);
}

TEST_F(completions, the_message_names_the_object_and_the_limits) {
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(notice("u1"));
    ASSERT_TRUE(w.run(w.relay.run_once()));
    ASSERT_EQ(w.engine.started.size(), 1u);
    const auto& r = w.engine.started[0];
    EXPECT_EQ(r.workflow_id, "video-" + v.id.value + "-g1");
    EXPECT_EQ(r.workflow_type, "ingest_video");
    for (const auto* part : {"\"source_key\":\"u1/original.mp4\"", "\"source_bytes\":1000",
                             "\"duration_max_s\":100", "\"retry_budget_s\":60"}) {
        EXPECT_NE(r.input.find(part), std::string::npos) << part << " in " << r.input;
    }
}

TEST_F(completions, an_unknown_or_foreign_upload_is_not_found) {
    const auto other = w.create();
    w.uploads.put("theirs", other.id, upload_status::finished);
    for (const auto* id : {"unknown", "theirs", "", "../x", "a/b"}) {
        const auto r = notice(id);
        ASSERT_FALSE(r) << id;
        EXPECT_EQ(r.error().reason, "upload_not_found");
    }
    EXPECT_EQ(w.stored(v.id).state, video_state::created);
}

TEST_F(completions, a_hook_with_a_forged_reference_moves_nobodys_video) {
    const auto other = w.create();
    w.uploads.put("theirs", other.id, upload_status::finished);
    ASSERT_TRUE(hook("theirs"));  // says it is v's
    EXPECT_EQ(w.stored(v.id).state, video_state::created);
    EXPECT_EQ(w.stored(other.id).state, video_state::created);
}

TEST_F(completions, a_hook_that_means_nothing_to_us_is_heard) {
    EXPECT_TRUE(w.run(w.ends.hook({upload_status::finished, upload_id{"u"}, "somebody else's"})));
    EXPECT_TRUE(w.run(w.ends.hook(
        {upload_status::finished, upload_id{"u"}, reference_of(video_id{random_uuid()})})));
    EXPECT_TRUE(hook("never existed"));
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(completions, a_hook_ahead_of_the_truth_is_to_be_sent_again) {
    w.uploads.put("u1", v.id, upload_status::open);
    EXPECT_EQ(hook("u1").error().code, errc::unavailable);
    w.uploads.put("u1", v.id, upload_status::finished);
    EXPECT_TRUE(hook("u1"));
    expect_started_once();
}

TEST_F(completions, with_the_upload_service_away_nothing_is_taken_for_granted) {
    w.uploads.put("u1", v.id, upload_status::finished);
    w.uploads.down = true;
    EXPECT_EQ(notice("u1").error().code, errc::unavailable);
    EXPECT_EQ(hook("u1").error().code, errc::unavailable);
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(completions, a_notice_of_the_source_needs_no_upload_service) {
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u1"));
    w.uploads.down = true;
    EXPECT_EQ(notice("u1")->state, video_state::processing);
}

TEST_F(completions, the_last_open_upload_ends_the_wait) {
    w.uploads.put("u1", v.id, upload_status::open);
    w.uploads.put("u2", v.id, upload_status::open);
    w.uploads.put("u1", v.id, upload_status::terminated);
    ASSERT_TRUE(hook("u1", upload_status::terminated));
    EXPECT_EQ(w.stored(v.id).state, video_state::created) << "u2 is still open";
    w.uploads.put("u2", v.id, upload_status::expired);
    ASSERT_TRUE(hook("u2", upload_status::expired));
    EXPECT_EQ(w.stored(v.id).state, video_state::failed);
    EXPECT_EQ(w.stored(v.id).failure->code, "upload_expired");
}

TEST_F(completions, a_terminated_upload_that_is_forgotten_already_still_counts) {
    ASSERT_TRUE(hook("u1", upload_status::terminated));
    EXPECT_EQ(w.stored(v.id).failure->code, "upload_terminated");
}

TEST_F(completions, an_upload_that_ends_after_another_has_won_changes_nothing) {
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u1"));
    w.uploads.put("u2", v.id, upload_status::terminated);
    ASSERT_TRUE(hook("u2", upload_status::terminated));
    expect_started_once();
}

TEST_F(completions, an_expiry_while_another_has_finished_unheard_completes_instead) {
    w.uploads.put("u1", v.id, upload_status::finished);
    w.uploads.put("u2", v.id, upload_status::expired);
    ASSERT_TRUE(hook("u2", upload_status::expired));
    expect_started_once();
    EXPECT_EQ(w.stored(v.id).source.value, "u1");
}

TEST_F(completions, a_finished_upload_of_a_deleted_or_failed_video_is_collected) {
    w.uploads.put("u1", v.id, upload_status::terminated);
    ASSERT_TRUE(hook("u1", upload_status::terminated));
    w.uploads.put("u2", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u2"));
    const auto gone = w.create();
    ASSERT_TRUE(w.run(w.all.remove(anna, gone.id)));
    w.uploads.put("u3", gone.id, upload_status::finished);
    ASSERT_TRUE(
        w.run(w.ends.hook({upload_status::finished, upload_id{"u3"}, reference_of(gone.id)})));
    EXPECT_EQ(w.surplus_found, 2);
    ASSERT_TRUE(w.run(w.collector.collect()));
    EXPECT_EQ(w.uploads.removed, (std::vector{upload_id{"u2"}, upload_id{"u3"}}));
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox WHERE step = 1"), 0);
}

TEST_F(completions, a_late_hook_for_removed_bytes_does_not_start_again) {
    w.uploads.put("u1", v.id, upload_status::finished);
    w.uploads.put("u2", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u1"));
    ASSERT_TRUE(hook("u2"));
    ASSERT_TRUE(w.run(w.collector.collect()));
    w.uploads.put("u2", v.id, upload_status::finished);  // it is shown a moment longer
    ASSERT_TRUE(hook("u2"));
    EXPECT_EQ(w.surplus_found, 1);
    expect_started_once();
}

TEST_F(completions, a_notice_for_an_upload_forgotten_by_its_service_is_remembered_by_us) {
    w.uploads.put("u1", v.id, upload_status::finished);
    w.uploads.put("u2", v.id, upload_status::finished);
    ASSERT_TRUE(hook("u1"));
    ASSERT_TRUE(hook("u2"));
    ASSERT_TRUE(w.run(w.collector.collect()));
    EXPECT_TRUE(notice("u2"));
}

struct verdict_case {
    std::vector<upload_status> uploads;
    std::optional<upload_status> last;
    bool grant_over;
    uploads_verdict::kind what;
    std::string code;
};

TEST(judge_uploads, decides_by_what_is_left) {
    using enum upload_status;
    using kind = uploads_verdict::kind;
    const std::vector<verdict_case> cases{
        {{}, {}, false, kind::wait, ""},
        {{}, {}, true, kind::give_up, "upload_expired"},
        {{open}, {}, true, kind::wait, ""},
        {{open, terminated}, terminated, true, kind::wait, ""},
        {{open, finished}, {}, false, kind::complete, ""},
        {{terminated, finished}, terminated, true, kind::complete, ""},
        {{terminated, expired}, {}, false, kind::give_up, "upload_expired"},
        {{expired, terminated}, {}, false, kind::give_up, "upload_terminated"},
        {{expired}, terminated, false, kind::give_up, "upload_terminated"},
    };
    const auto start = from_unix_ms(1'000'000'000);
    const auto v = create_video({}, video_id{random_uuid()}, start, 60s);
    for (const auto& c : cases) {
        std::vector<upload_view> uploads;
        for (const auto s : c.uploads) {
            uploads.push_back({upload_id{"u"}, s, 0, {}, {}});
        }
        const auto now = c.grant_over ? start + 60s : start + 59s;
        const auto verdict = judge_uploads(v, uploads, c.last, now);
        EXPECT_EQ(verdict.what, c.what);
        EXPECT_EQ(verdict.why.code, c.code);
    }
}

}  // namespace
}  // namespace vora::metadata
