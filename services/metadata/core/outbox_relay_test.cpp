#include "services/metadata/core/outbox_relay.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

struct relays : testing::Test {
    world w;

    video completed() {
        const auto v = w.create();
        const auto upload = "u" + v.id.value;
        w.uploads.put(upload, v.id, upload_status::finished);
        w.run(w.ends.hook({upload_status::finished, upload_id{upload}, reference_of(v.id)}))
            .value();
        return v;
    }
    std::int64_t pending() { return w.run(w.repository.outbox())->pending; }
    relay_report turn() { return w.run(w.relay.run_once()).value(); }
};

TEST_F(relays, every_message_is_delivered_once) {
    for (int i = 0; i < 40; ++i) {
        completed();
    }
    EXPECT_EQ(pending(), 40);
    while (turn().more) {
    }
    EXPECT_EQ(pending(), 0);
    EXPECT_EQ(w.engine.started.size(), 40u);
    EXPECT_EQ(w.engine.start_calls, 40);
}

TEST_F(relays, an_engine_that_is_away_costs_one_probe_a_pause_and_loses_nothing) {
    for (int i = 0; i < 20; ++i) {
        completed();
    }
    w.engine.down = true;
    for (int i = 0; i < 100; ++i) {
        turn();
    }
    EXPECT_EQ(w.engine.start_calls, 1) << "the clock stands: nothing is due";
    for (int i = 0; i < 10; ++i) {
        w.clock.advance(w.relay.pause());
        EXPECT_FALSE(turn().more);
    }
    EXPECT_EQ(w.engine.start_calls, 11);
    EXPECT_TRUE(w.relay.is_open());
    EXPECT_EQ(pending(), 20);
    w.engine.down = false;
    w.clock.advance(w.relay.pause());
    while (turn().more) {
    }
    EXPECT_FALSE(w.relay.is_open());
    EXPECT_EQ(w.engine.started.size(), 20u);
    EXPECT_EQ(pending(), 0);
}

TEST_F(relays, an_answer_that_was_lost_is_asked_for_again_and_already_there_is_success) {
    completed();
    w.engine.lose_answers = true;
    EXPECT_EQ(turn().sent, 0u);
    EXPECT_EQ(pending(), 1);
    w.engine.lose_answers = false;
    w.clock.advance(w.relay.pause());
    EXPECT_EQ(turn().sent, 1u);
    EXPECT_EQ(w.engine.started.size(), 1u) << "one run";
    EXPECT_EQ(w.engine.start_calls, 2);
}

TEST_F(relays, claims_of_a_killed_process_are_void_at_start) {
    completed();
    const auto now = w.clock.now();
    ASSERT_TRUE(w.run(transact<std::vector<outbox_message>>(
        w.repository, [now](video_transaction& t) { return t.claim_outbox(now, now + 1h, 10); })));
    EXPECT_EQ(turn().sent, 0u);
    ASSERT_TRUE(w.run(w.relay.recover()));
    EXPECT_EQ(turn().sent, 1u);
}

TEST_F(relays, what_was_sent_is_forgotten_a_week_later_and_what_was_not_never) {
    completed();
    EXPECT_EQ(turn().sent, 1u);
    completed();
    w.clock.advance(7 * 86'400s);
    ASSERT_TRUE(w.run(w.relay.forget_sent()));
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 2);
    w.clock.advance(1s);
    ASSERT_TRUE(w.run(w.relay.forget_sent()));
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 1);
    EXPECT_EQ(pending(), 1);
}

TEST_F(relays, a_message_that_can_never_be_delivered_fails_its_video) {
    const auto v = completed();
    w.engine.refuse = true;
    EXPECT_EQ(turn().abandoned, 1u);
    EXPECT_EQ(pending(), 0);
    EXPECT_EQ(w.stored(v.id).state, video_state::failed);
    EXPECT_EQ(w.stored(v.id).failure->code, "internal_error");
    EXPECT_FALSE(w.relay.is_open()) << "the engine is there";
}

TEST_F(relays, a_start_that_was_claimed_before_the_deletion_is_dropped_then_the_deletion_starts) {
    const auto v = completed();
    w.engine.down = true;
    turn();  // claimed and given back
    const auto now = w.clock.now();
    ASSERT_TRUE(w.run(transact<std::vector<outbox_message>>(
        w.repository, [now](video_transaction& t) { return t.claim_outbox(now, now + 1s, 1); })));
    ASSERT_TRUE(w.run(w.all.remove({"anna", false}, v.id)));
    EXPECT_EQ(pending(), 2);
    w.engine.down = false;
    w.clock.advance(10s);
    EXPECT_EQ(turn().dropped, 1u);
    EXPECT_EQ(turn().sent, 1u);
    ASSERT_EQ(w.engine.started.size(), 1u);
    EXPECT_EQ(w.engine.started[0].workflow_type, "delete_video");
}

TEST_F(relays, a_database_that_is_locked_delays_and_loses_nothing) {
    completed();
    {
        SQLite::Database other(w.database, SQLite::OPEN_READWRITE);
        SQLite::Transaction lock(other, SQLite::TransactionBehavior::IMMEDIATE);
        EXPECT_EQ(w.run(w.relay.run_once()).error().reason, "database_unavailable");
    }
    EXPECT_EQ(turn().sent, 1u);
}

}  // namespace
}  // namespace vora::metadata
