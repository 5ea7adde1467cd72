#include "services/metadata/core/idempotency.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

const new_video titled{"title", "", visibility::only_owner, "anna"};

struct idempotency_keys : testing::Test {
    world w;

    result<change_answer> create(const std::string& key, new_video input = titled) {
        return w.run(w.changes.create(std::move(input), key));
    }
    std::string refusal(const std::string& key, new_video input = titled) {
        const auto r = create(key, std::move(input));
        return r ? "made" : r.error().reason;
    }
    std::int64_t videos_made() { return w.count("SELECT count(*) FROM Videos"); }
};

TEST_F(idempotency_keys, the_first_answer_is_given_again_as_it_was) {
    const auto first = create("k").value();
    EXPECT_FALSE(first.replayed);
    w.run(w.all.update({"anna", false}, first.video.id, {"another", {}, {}}, std::nullopt)).value();
    const auto again = create("k").value();
    EXPECT_TRUE(again.replayed);
    EXPECT_EQ(again.video, first.video);
    EXPECT_EQ(videos_made(), 1);
}

TEST_F(idempotency_keys, without_a_key_each_request_is_another) {
    EXPECT_FALSE(w.run(w.changes.create(titled, std::nullopt)).value().replayed);
    EXPECT_FALSE(w.run(w.changes.create(titled, std::nullopt)).value().replayed);
    EXPECT_EQ(videos_made(), 2);
    EXPECT_EQ(w.count("SELECT count(*) FROM IdempotencyKeys"), 0);
}

TEST_F(idempotency_keys, another_request_under_the_key_is_refused) {
    create("k").value();
    auto other = titled;
    other.description = "d";
    EXPECT_EQ(refusal("k", other), "idempotency_key_reused");
    // Parts do not run into each other.
    create("t", {"ab", "c", visibility::only_owner, "anna"}).value();
    EXPECT_EQ(refusal("t", {"a", "bc", visibility::only_owner, "anna"}), "idempotency_key_reused");
    EXPECT_EQ(videos_made(), 2);
}

TEST_F(idempotency_keys, a_key_is_its_callers_own) {
    create("k").value();
    auto of_bert = titled;
    of_bert.owner = "bert";
    EXPECT_FALSE(create("k", of_bert).value().replayed);
    EXPECT_EQ(videos_made(), 2);
}

TEST_F(idempotency_keys, a_key_is_1_to_255_printable_characters) {
    for (const auto& bad : {std::string(), std::string(256, 'k'), std::string("a\tb"),
                            std::string("a\0b", 3), std::string("\x7f"), std::string("\xc3\xa4")}) {
        EXPECT_EQ(refusal(bad), "bad_idempotency_key");
    }
    EXPECT_EQ(refusal(std::string(255, '~')), "made");
    EXPECT_EQ(refusal(" "), "made");
}

TEST_F(idempotency_keys, an_answer_is_kept_for_its_time_and_then_forgotten) {
    create("k").value();
    w.clock.advance(24h - 1s);
    EXPECT_TRUE(create("k").value().replayed);
    w.clock.advance(1s);
    EXPECT_FALSE(create("k").value().replayed) << "the expired row makes room";
    EXPECT_TRUE(create("k").value().replayed);
    w.run(w.relay.forget_sent()).value();
    EXPECT_EQ(w.count("SELECT count(*) FROM IdempotencyKeys"), 1);
    w.clock.advance(24h);
    w.run(w.relay.forget_sent()).value();
    EXPECT_EQ(w.count("SELECT count(*) FROM IdempotencyKeys"), 0);
}

TEST_F(idempotency_keys, while_the_first_one_runs_the_others_are_told_so) {
    std::vector<result<change_answer>> answers;
    task_group together(w.loop.executor());
    for (int i = 0; i < 20; ++i) {
        together.spawn([](world& in, std::vector<result<change_answer>>& out) -> task<> {
            auto r = co_await in.changes.create(titled, "k");
            out.push_back(std::move(r));
        }(w, answers));
    }
    together.spawn([](world& in, std::vector<result<change_answer>>& out) -> task<> {
        auto other = titled;
        other.title = "another";
        auto r = co_await in.changes.create(other, "k");
        out.push_back(std::move(r));
    }(w, answers));
    w.run([](task_group& all) -> task<int> {
        co_await all.join();
        co_return 0;
    }(together));
    std::map<std::string, int> seen;
    for (const auto& a : answers) {
        ++seen[a ? "made" : a.error().reason];
    }
    EXPECT_EQ(seen, (std::map<std::string, int>{
                        {"made", 1}, {"request_in_flight", 19}, {"idempotency_key_reused", 1}}));
    EXPECT_EQ(videos_made(), 1);
    EXPECT_TRUE(create("k").value().replayed);
}

TEST_F(idempotency_keys, of_two_processes_one_makes_the_change_and_both_answer_alike) {
    // The other one has committed between our look and our transaction.
    sqlite_video_repository other(w.pool, w.database);
    ASSERT_TRUE(other.open());
    idempotency theirs(other, w.clock, 24h);
    videos their_videos(other, w.clock, 24h, [] {});
    const change_request request{"anna", "create_video", "k", "fingerprint"};
    std::optional<change_answer> first;
    const auto ours = w.run(w.once.run(request, [&](answer_keeper keeper) -> task<result<video>> {
        return [](auto& their_once, auto& all, auto& mine, auto asked, auto& done,
                  auto keep) -> task<result<video>> {
            auto theirs_made = co_await their_once.run(
                asked, [&](answer_keeper k) { return all.create(titled, std::move(k)); });
            done = std::move(theirs_made).value();
            auto made = co_await mine.create(titled, std::move(keep));
            co_return made;
        }(theirs, their_videos, w.all, request, first, std::move(keeper));
    }));
    ASSERT_TRUE(ours) << ours.error().reason;
    EXPECT_TRUE(ours->replayed);
    EXPECT_EQ(ours->video, first->video);
    EXPECT_EQ(videos_made(), 1) << "ours was rolled back";
}

TEST_F(idempotency_keys, what_failed_is_not_kept) {
    EXPECT_EQ(w.run(w.changes.cancel({"anna", false}, video_id{random_uuid()}, "k")).error().reason,
              "video_not_found");
    const auto v = w.create();
    EXPECT_FALSE(w.run(w.changes.cancel({"anna", false}, v.id, "k")).value().replayed);
    EXPECT_TRUE(w.run(w.changes.cancel({"anna", false}, v.id, "k")).value().replayed);
    EXPECT_EQ(w.run(w.changes.cancel({"anna", false}, v.id, "l")).error().reason,
              "not_cancellable");
}

TEST_F(idempotency_keys,
       a_completion_is_kept_with_its_outbox_row_and_one_that_changed_nothing_too) {
    const auto v = w.create();
    w.uploads.put("u", v.id, upload_status::open);
    const auto waiting = w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u"}, "early"));
    EXPECT_EQ(waiting.value().video.state, video_state::created);
    w.uploads.put("u", v.id, upload_status::finished);
    EXPECT_TRUE(
        w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u"}, "early")).value().replayed);
    const auto done = w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u"}, "late"));
    EXPECT_EQ(done.value().video.state, video_state::processing);
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 1);
    const auto again = w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u"}, "late"));
    EXPECT_TRUE(again.value().replayed);
    EXPECT_EQ(again.value().video, done.value().video);
}

TEST_F(idempotency_keys, a_settled_video_comes_back_whole) {
    const auto v = w.processing_video();
    media_facts facts{
        12.5, 640, 360, {{"360p", 640, 360, 9, 8, "avc1", 25, 1, 1, 1}}, {{"truncated", "at 3 s"}}};
    w.run(w.runs.mark_ready(v.id, 1, facts)).value();
    const auto kept = w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u1"}, "k"));
    const auto again = w.run(w.changes.complete({"anna", false}, v.id, upload_id{"u1"}, "k"));
    EXPECT_EQ(kept.value().video, w.stored(v.id));
    EXPECT_EQ(again.value().video, w.stored(v.id));
}

// -- cancel
// ----------------------------------------------------------------------------------------

struct cancelling : testing::Test {
    world w;
    result<video> cancel(const video_id& id) { return w.run(w.all.cancel({"anna", false}, id)); }
};

TEST_F(cancelling, a_new_video_fails_at_once_and_nothing_is_sent) {
    const auto v = w.create();
    const auto done = cancel(v.id).value();
    EXPECT_EQ(done.state, video_state::failed);
    EXPECT_EQ(done.failure->code, "cancelled");
    EXPECT_EQ(w.stored(v.id), done);
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 0);
    EXPECT_EQ(cancel(v.id).error().reason, "not_cancellable");
}

TEST_F(cancelling, a_run_is_told_after_the_commit) {
    const auto v = w.processing_video();
    EXPECT_EQ(cancel(v.id).value().state, video_state::failed);
    EXPECT_TRUE(w.engine.cancelled.empty());
    w.run(w.relay.run_once()).value();
    EXPECT_EQ(w.engine.cancelled, std::vector{ingest_workflow_id(v.id, 1)});
    // What the run says at its end is late.
    EXPECT_EQ(w.run(w.runs.mark_ready(v.id, 1, {})).error().reason, "wrong_state");
    EXPECT_TRUE(w.run(w.runs.mark_failed(v.id, 1, {"cancelled", ""})));
}

TEST_F(cancelling, a_run_that_was_not_started_never_is) {
    const auto v = w.create();
    w.uploads.put("u", v.id, upload_status::finished);
    w.run(w.ends.notice({"anna", false}, v.id, upload_id{"u"})).value();
    cancel(v.id).value();
    while (w.run(w.relay.run_once()).value().more) {
    }
    EXPECT_TRUE(w.engine.started.empty());
    EXPECT_EQ(w.run(w.repository.outbox()).value().pending, 0);
}

TEST_F(cancelling, a_start_that_is_on_its_way_while_the_engine_is_away_is_dropped) {
    const auto v = w.create();
    w.uploads.put("u", v.id, upload_status::finished);
    w.run(w.ends.notice({"anna", false}, v.id, upload_id{"u"})).value();
    // Claimed by somebody, so it cannot be taken back.
    const auto now = w.clock.now();
    w.run(transact<std::vector<outbox_message>>(w.repository, [now](video_transaction& t) {
         return t.claim_outbox(now, now + 10s, 1);
     })).value();
    cancel(v.id).value();
    w.clock.advance(11s);
    while (w.run(w.relay.run_once()).value().more) {
    }
    EXPECT_TRUE(w.engine.started.empty());
    EXPECT_EQ(w.engine.cancelled.size(), 1u);
}

TEST_F(cancelling, what_has_ended_or_belongs_to_another_is_not_cancelled) {
    const auto v = w.processing_video();
    EXPECT_EQ(w.run(w.all.cancel({"bert", false}, v.id)).error().reason, "video_not_found");
    w.run(w.runs.mark_ready(v.id, 1, {})).value();
    EXPECT_EQ(cancel(v.id).error().reason, "not_cancellable");
    w.run(w.all.remove({"anna", false}, v.id)).value();
    EXPECT_EQ(cancel(v.id).error().reason, "video_not_found");
}

// -- deletions that fail
// ---------------------------------------------------------------------------

struct deletions : testing::Test {
    world w;
    void sweep_and_send() {
        w.run(w.sweeps.settle_deleting()).value();
        w.run(w.relay.run_once()).value();
    }
    void end(const std::string& run, durable::run_status status) {
        w.engine.runs.at(run).status = status;
    }
};

TEST_F(deletions, a_run_that_failed_is_started_again_under_another_id_without_end) {
    const auto v = w.create();
    w.run(w.all.remove({"anna", false}, v.id)).value();
    w.run(w.relay.run_once()).value();
    auto run = delete_workflow_id(v.id, 1);
    EXPECT_EQ(run, "delete-" + v.id.value);
    ASSERT_TRUE(w.engine.runs.contains(run));
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 1u) << "it runs";
    for (int attempt = 2; attempt <= 14; ++attempt) {
        end(run, attempt % 2 == 0 ? durable::run_status::failed : durable::run_status::terminated);
        w.clock.advance(10min);
        sweep_and_send();
        run = "delete-" + v.id.value + "-a" + std::to_string(attempt);
        ASSERT_TRUE(w.engine.runs.contains(run)) << run;
        sweep_and_send();
        EXPECT_EQ(w.engine.runs.size(), static_cast<std::size_t>(attempt));
    }
    w.run(w.runs.finish_delete(v.id, 1)).value();
    end(run, durable::run_status::completed);
    w.clock.advance(1h);
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 14u) << "it is deleted";
}

TEST_F(deletions, a_run_that_failed_at_once_is_given_a_pause) {
    const auto v = w.create();
    w.run(w.all.remove({"anna", false}, v.id)).value();
    w.run(w.relay.run_once()).value();
    end(delete_workflow_id(v.id, 1), durable::run_status::failed);
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 1u);
    w.clock.advance(5s);
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 2u);
    end(delete_workflow_id(v.id, 2), durable::run_status::failed);
    w.clock.advance(9s);
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 2u);
    w.clock.advance(1s);
    sweep_and_send();
    EXPECT_EQ(w.engine.runs.size(), 3u);
}

TEST_F(deletions, a_run_must_be_unknown_twice_to_be_lost) {
    const auto v = w.create();
    w.run(w.all.remove({"anna", false}, v.id)).value();
    w.run(w.relay.run_once()).value();
    w.engine.runs.clear();
    w.clock.advance(1min);
    sweep_and_send();
    EXPECT_TRUE(w.engine.runs.empty());
    sweep_and_send();
    EXPECT_TRUE(w.engine.runs.contains(delete_workflow_id(v.id, 2)));
}

TEST_F(deletions, one_that_is_not_sent_yet_is_left_to_the_relay) {
    const auto v = w.create();
    w.run(w.all.remove({"anna", false}, v.id)).value();
    w.clock.advance(1h);
    for (int i = 0; i < 3; ++i) {
        w.run(w.sweeps.settle_deleting()).value();
    }
    EXPECT_EQ(w.stored(v.id).delete_attempt, 1);
}

// -- progress
// --------------------------------------------------------------------------------------

TEST(progress_between_steps, is_where_it_was_and_not_at_the_beginning) {
    world w;
    const auto v = w.processing_video();
    auto& run = w.engine.runs.at(ingest_workflow_id(v.id, 1));
    const auto shown = [&](video_state state = video_state::processing) {
        w.clock.advance(2s);
        return w.run(w.progress.of(v.id, 1, state));
    };
    EXPECT_EQ(shown(), (ingest_progress{"queued", 0, std::nullopt}));
    run.pending_activities.push_back({});
    run.pending_activities.back().type = "encode";
    run.pending_activities.back().heartbeat_details =
        R"({"stage":"encoding","percent":60,"eta_s":5})";
    EXPECT_EQ(shown()->percent, 60);
    run.pending_activities.clear();
    EXPECT_EQ(shown()->stage, "encoding");
    EXPECT_EQ(shown()->percent, 60);
    EXPECT_FALSE(shown(video_state::ready));
    EXPECT_EQ(shown()->percent, 0) << "of a video that was processed, nothing is remembered";
}

}  // namespace
}  // namespace vora::metadata
