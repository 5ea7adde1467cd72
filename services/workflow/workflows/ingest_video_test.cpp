#include "services/workflow/workflows/ingest_video.hpp"

#include "contracts/activities/media.hpp"
#include "contracts/activities/metadata.hpp"
#include "libs/durable/engine_embedded/history.hpp"
#include "libs/durable/engine_embedded/test_environment.hpp"
#include "services/workflow/registry.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::workflow {
namespace {

using namespace std::chrono_literals;
using durable::failure;
using durable::outcome;

// A world in which everything works, with levers; remembers what it was told.
struct world {
    world() : env(registry()) {
        input.video_id = "id";
        input.source_key = "upload/original.mp4";
        input.output_prefix = "id/";
        input.retry_budget_s = 60;
        facts.has_video = true;
        facts.width = facts.coded_width = 1280;
        facts.height = facts.coded_height = 720;
        facts.fps = facts.fps_nominal = 25;
        facts.duration_s = facts.video_duration_s = facts.video_end_s = 12;
        facts.video_packets = 300;
        facts.video_stream_index = 0;
        env.on(contracts::probe, [this](const contracts::probe_input& in) {
            EXPECT_EQ(in.source_key, "upload/original.mp4");
            return answer(on_probe, facts);
        });
        env.on(contracts::encode, [this](const contracts::encode_input& in) {
            plan = in.plan;
            contracts::encode_result r;
            r.renditions.resize(2);
            r.duration_s = 12;
            return answer(on_encode, r);
        });
        env.on(contracts::publish, [this](const contracts::publish_input& in) {
            EXPECT_EQ(in.renditions.size(), 2u);
            return answer(on_publish, contracts::nothing{});
        });
        env.on(contracts::cleanup, [this](const contracts::cleanup_input& in) {
            EXPECT_EQ(in.output_prefix, "id/");
            return answer(on_cleanup, contracts::nothing{});
        });
        env.on(contracts::mark_ready, [this](const contracts::mark_ready_input& in) {
            EXPECT_EQ(in.encoded.duration_s, 12);
            return answer(on_ready, contracts::nothing{});
        });
        env.on(contracts::mark_failed, [this](const contracts::mark_failed_input& in) {
            marked = in;
            return answer(on_failed, contracts::nothing{});
        });
    }

    using lever = std::vector<failure>;  // one for each attempt; none left: success
    template <class T>
    static outcome<T> answer(lever& fails, T good) {
        if (fails.empty()) {
            return good;
        }
        auto f = fails.front();
        fails.erase(fails.begin());
        return std::unexpected(f);
    }

    // The types of the attempts, in order.
    std::string run() {
        env.start(contracts::ingest_video, input);
        end = env.result();
        std::string all;
        for (const auto& type : env.attempts()) {
            all += (all.empty() ? "" : " ") + type;
        }
        return all;
    }

    durable::workflow_test_environment env;
    contracts::ingest_input input;
    contracts::probe_facts facts;
    contracts::encode_plan plan;
    contracts::mark_failed_input marked;
    lever on_probe, on_encode, on_publish, on_cleanup, on_ready, on_failed;
    outcome<std::string> end;
};

failure crash() {
    return failure::application("encoder_crashed", "the encoder was ended by signal 9");
}
failure store_away() {
    return failure::application("storage_unavailable", "the object store said nothing");
}
failure final_failure(const char* type) {
    return failure::application(type, "because", true);
}

TEST(ingest_video, goes_from_probe_to_ready) {
    world w;
    EXPECT_EQ(w.run(), "probe encode publish mark_ready");
    EXPECT_TRUE(w.end);
    ASSERT_EQ(w.plan.rungs.size(), 2u);
    EXPECT_EQ(w.plan.rungs[0].name, "720p");
    EXPECT_EQ(w.plan.fps, 25);
    EXPECT_EQ(w.marked.code, "");
}

TEST(ingest_video, marks_refused_inputs_failed_with_their_code) {
    for (const char* code : {"input_empty", "input_not_video", "input_damaged"}) {
        world w;
        w.on_probe = {final_failure(code)};
        EXPECT_EQ(w.run(), "probe mark_failed") << "nothing was written, so nothing is removed";
        EXPECT_FALSE(w.end);
        EXPECT_EQ(w.marked.code, code);
        EXPECT_EQ(w.marked.detail, "because");
    }
}

TEST(ingest_video, refuses_by_the_facts) {
    world w;
    w.facts.has_video = false;
    EXPECT_EQ(w.run(), "probe mark_failed");
    EXPECT_EQ(w.marked.code, "input_no_video");
    world longer;
    longer.input.limits.duration_max_s = 10;
    EXPECT_EQ(longer.run(), "probe mark_failed");
    EXPECT_EQ(longer.marked.code, "input_too_long");
}

TEST(ingest_video, tries_a_crashing_encoder_three_times) {
    world w;
    w.on_encode = {crash(), crash()};
    EXPECT_EQ(w.run(), "probe encode encode encode publish mark_ready");
    world poisoned;
    poisoned.on_encode = {crash(), crash(), crash(), crash()};
    EXPECT_EQ(poisoned.run(), "probe encode encode encode cleanup mark_failed");
    EXPECT_EQ(poisoned.marked.code, "encoder_crashed");
    EXPECT_FALSE(poisoned.marked.detail.empty());
}

TEST(ingest_video, puts_up_with_a_store_that_is_away_for_the_retry_budget) {
    world w;
    w.on_encode = {store_away(), store_away(), store_away(), store_away()};
    EXPECT_EQ(w.run(), "probe encode encode encode encode encode publish mark_ready");
    world gone;
    gone.on_publish = world::lever(100, store_away());
    gone.run();
    EXPECT_EQ(gone.marked.code, "storage_unavailable");
    EXPECT_LT(gone.env.attempts("publish"), 10);
    EXPECT_EQ(gone.env.attempts("cleanup"), 1);
}

TEST(ingest_video, shows_a_bug_as_internal_error_and_cleans_up) {
    world w;
    w.on_encode = {final_failure("output_conflict")};
    EXPECT_EQ(w.run(), "probe encode cleanup mark_failed");
    EXPECT_EQ(w.marked.code, "internal_error");
    EXPECT_FALSE(w.marked.detail.empty());
}

TEST(ingest_video, begins_again_when_a_worker_is_lost_but_not_for_ever) {
    world w;
    w.env.hang(contracts::encode);
    EXPECT_EQ(w.run(), "probe encode encode encode encode encode cleanup mark_failed");
    EXPECT_EQ(w.marked.code, "internal_error");
}

TEST(ingest_video, ends_as_cancelled_with_its_outputs_removed) {
    world w;
    w.env.hang(contracts::encode);
    w.env.start(contracts::ingest_video, w.input);
    w.env.settle();
    ASSERT_EQ(w.env.attempts("encode"), 1);
    w.env.cancel();
    EXPECT_FALSE(w.env.result());
    EXPECT_EQ(w.env.attempts("encode"), 1);
    EXPECT_EQ(w.env.attempts("cleanup"), 1);
    EXPECT_EQ(w.marked.code, "cancelled");
    EXPECT_EQ(w.env.describe().status, durable::run_status::cancelled);
}

TEST(ingest_video, does_not_turn_back_once_ready_may_have_been_recorded) {
    world w;
    w.env.hang(contracts::mark_ready);
    w.env.start(contracts::ingest_video, w.input);
    w.env.settle();
    ASSERT_EQ(w.env.attempts("mark_ready"), 1);
    w.env.cancel();
    w.env.advance(2min);
    EXPECT_GT(w.env.attempts("mark_ready"), 1) << "tried again in spite of the cancellation";
    EXPECT_EQ(w.env.attempts("cleanup"), 0) << "READY never names what was removed";
    EXPECT_EQ(w.env.attempts("mark_failed"), 0);
}

TEST(ingest_video, tells_the_result_however_long_metadata_is_away) {
    world w;
    w.on_ready = world::lever(50, failure::application("unavailable", "database is away"));
    w.run();
    EXPECT_TRUE(w.end);
    EXPECT_EQ(w.env.attempts("mark_ready"), 51);
}

TEST(ingest_video, leaves_everything_to_a_newer_generation) {
    world w;
    w.on_ready = {final_failure("stale_generation")};
    EXPECT_EQ(w.run(), "probe encode publish mark_ready");
    EXPECT_FALSE(w.end);
}

TEST(ingest_video, is_failed_even_if_the_outputs_cannot_be_removed) {
    world w;
    w.on_encode = {final_failure("input_damaged")};
    w.on_cleanup = world::lever(1000, store_away());
    w.run();
    EXPECT_EQ(w.marked.code, "input_damaged");
}

TEST(delete_video, stops_then_removes_outputs_uploads_and_row) {
    durable::workflow_test_environment env(registry());
    int asked = 0;
    env.on(contracts::stop_ingest, [&](const contracts::video_ref& in) {
        EXPECT_EQ(in.video_id, "id");
        return outcome<contracts::stop_ingest_result>(contracts::stop_ingest_result{++asked == 4});
    });
    int cleanups = 0;
    env.on(contracts::cleanup,
           [&](const contracts::cleanup_input& in) -> outcome<contracts::nothing> {
               EXPECT_EQ(in.output_prefix, "id/");
               if (++cleanups < 30) {
                   return std::unexpected(store_away());
               }
               return contracts::nothing{};
           });
    const auto done = [](const contracts::video_ref&) {
        return outcome<contracts::nothing>(contracts::nothing{});
    };
    env.on(contracts::delete_uploads, done);
    env.on(contracts::finish_delete, done);
    contracts::delete_input in;
    in.video_id = "id";
    in.output_prefix = "id/";
    env.start(contracts::delete_video, in);
    EXPECT_TRUE(env.result());
    EXPECT_EQ(env.attempts("stop_ingest"), 4);
    EXPECT_EQ(env.attempts("cleanup"), 30) << "none of the steps is given up";
    const auto all = env.attempts();
    ASSERT_GE(all.size(), 2u);
    EXPECT_EQ(all[all.size() - 2], "delete_uploads");
    EXPECT_EQ(all[all.size() - 1], "finish_delete");
}

// Histories of runs that may still be alive after an update. A change that breaks one needs a
// version mark (ctx.patched). VORA_RECORD_HISTORIES=1 writes those of today's code; old ones are
// never written again.
std::filesystem::path histories() {
    return VORA_HISTORIES;
}

void record(const std::string& name, const std::string& history) {
    const auto path = histories() / (name + ".json");
    if (std::getenv("VORA_RECORD_HISTORIES") != nullptr && !std::filesystem::exists(path)) {
        std::ofstream(path) << history;
    }
}

TEST(histories, are_recorded_of_the_ways_a_run_can_go) {
    world good;
    good.run();
    record("ingest_ready_1", good.env.history());
    world bumpy;
    bumpy.on_probe = {store_away()};
    bumpy.on_encode = {crash(), store_away(), final_failure("input_damaged")};
    bumpy.run();
    EXPECT_EQ(bumpy.marked.code, "input_damaged");
    record("ingest_failed_1", bumpy.env.history());
    world stopped;
    stopped.env.hang(contracts::encode);
    stopped.env.start(contracts::ingest_video, stopped.input);
    stopped.env.settle();
    stopped.env.cancel();
    (void)stopped.env.result();
    record("ingest_cancelled_1", stopped.env.history());
}

TEST(histories, replay_to_the_same_commands) {
    int replayed = 0;
    const auto definitions = registry();
    for (const auto& entry : std::filesystem::directory_iterator(histories())) {
        if (!entry.is_regular_file()) {
            continue;  // those of Temporal: process/histories_test
        }
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        auto same = durable::replay_history(definitions, text.str());
        EXPECT_TRUE(same) << entry.path().filename() << ": "
                          << (same ? "" : same.error().reason + " " + same.error().detail);
        ++replayed;
    }
    EXPECT_GE(replayed, 3);
}

}  // namespace
}  // namespace vora::workflow
