// Replays every recorded history (../histories/temporal) through Temporal's own core, without a
// server: a change that a live run would not survive is found here. Such a change needs
// ctx.patched("name"), and a new history beside the old ones (workflow_temporal_test).

#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"
#include "services/workflow/registry.hpp"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <temporal/api/history/v1/message.pb.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace vora::workflow {
namespace {

using temporal::api::history::v1::History;

// By file name.
std::map<std::string, History> recorded() {
    std::map<std::string, History> all;
    for (const auto& entry : std::filesystem::directory_iterator(VORA_TEMPORAL_HISTORIES)) {
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        History h;
        const auto read = google::protobuf::util::JsonStringToMessage(text.str(), &h);
        EXPECT_TRUE(read.ok()) << entry.path() << ": " << read.ToString();
        all[entry.path().filename().string()] = std::move(h);
    }
    return all;
}

result<void> replay(const durable::workflow_registry& definitions, const History& h) {
    const auto& begun = h.events(0).workflow_execution_started_event_attributes();
    return durable::replay_temporal_history(definitions, begun.workflow_id(),
                                            h.SerializeAsString());
}

TEST(recorded_temporal_histories, are_there_of_every_way_a_run_can_go) {
    const auto all = recorded();
    for (const char* name : {"delete_video_1", "ingest_cancelled_1", "ingest_compensated_1",
                             "ingest_ready_1", "ingest_refused_1", "ingest_retried_1",
                             "ingest_worker_killed_1", "ingest_workflow_killed_1"}) {
        EXPECT_TRUE(all.contains(std::string(name) + ".json")) << name;
    }
}

TEST(recorded_temporal_histories, replay_with_the_definitions_of_today) {
    const auto definitions = registry();
    for (const auto& [name, h] : recorded()) {
        ASSERT_GT(h.events_size(), 0) << name;
        const auto same = replay(definitions, h);
        EXPECT_TRUE(same) << name << ": " << same.error().reason << " " << same.error().detail;
    }
}

TEST(recorded_temporal_histories, do_not_replay_once_an_activity_is_another) {
    const auto all = recorded();
    for (const auto& [name, h] : all) {
        History swapped = h;
        temporal::api::history::v1::HistoryEvent* last = nullptr;
        for (auto& e : *swapped.mutable_events()) {
            if (e.has_activity_task_scheduled_event_attributes()) {
                last = &e;
            }
        }
        ASSERT_NE(last, nullptr) << name;
        last->mutable_activity_task_scheduled_event_attributes()->mutable_activity_type()->set_name(
            "another");
        const auto other = replay(registry(), swapped);
        ASSERT_FALSE(other) << name;
        EXPECT_EQ(other.error().reason, "history_does_not_replay") << name;
    }
}

TEST(recorded_temporal_histories, do_not_replay_with_definitions_that_do_something_else) {
    durable::workflow_registry changed;
    for (const char* type : {"ingest_video", "delete_video"}) {
        changed.add(type,
                    [](durable::context& ctx,
                       std::string) -> durable::workflow<durable::outcome<std::string>> {
                        co_await ctx.sleep(std::chrono::seconds(1));
                        co_return "{}";
                    });
    }
    for (const auto& [name, h] : recorded()) {
        EXPECT_FALSE(replay(changed, h)) << name;
    }
}

}  // namespace
}  // namespace vora::workflow
