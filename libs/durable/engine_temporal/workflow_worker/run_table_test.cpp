#include "libs/durable/engine_temporal/workflow_worker/run_table.hpp"

#include "libs/durable/engine_temporal/payload_proto.hpp"

#include <gtest/gtest.h>
#include <temporal/sdk/core/workflow_activation/workflow_activation.pb.h>
#include <temporal/sdk/core/workflow_completion/workflow_completion.pb.h>

#include <memory>
#include <stdexcept>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;
using coresdk::workflow_activation::WorkflowActivation;
using coresdk::workflow_completion::WorkflowActivationCompletion;
using w = workflow<outcome<std::string>>;

std::weak_ptr<int> alive_in_frame;

w sleeps(context& ctx, std::string) {
    auto alive = std::make_shared<int>(1);
    alive_in_frame = alive;
    co_await ctx.sleep(5s);
    co_return "slept";
}

w throws(context&, std::string) {
    throw std::runtime_error("a bug");
    co_return "";
}

class table {
 public:
    table() {
        registry_.add("sleeps", sleeps);
        registry_.add("throws", throws);
    }

    run_table::answer start(const std::string& run_id, const std::string& type,
                            bool replays = false) {
        auto a = of(run_id);
        a.set_is_replaying(replays);
        auto& j = *a.add_jobs()->mutable_initialize_workflow();
        j.set_workflow_type(type);
        j.set_workflow_id("id");
        return give(a);
    }
    run_table::answer fire(const std::string& run_id) {
        auto a = of(run_id);
        a.add_jobs()->mutable_fire_timer()->set_seq(1);
        return give(a);
    }
    run_table::answer evict(const std::string& run_id) {
        auto a = of(run_id);
        a.add_jobs()->mutable_remove_from_cache()->set_reason(
            coresdk::workflow_activation::RemoveFromCache::NONDETERMINISM);
        a.mutable_jobs(0)->mutable_remove_from_cache()->set_message("another timer was expected");
        return give(a);
    }
    static WorkflowActivation of(const std::string& run_id) {
        WorkflowActivation a;
        a.set_run_id(run_id);
        return a;
    }
    run_table::answer give(const WorkflowActivation& a) {
        auto given = runs.activate(a.SerializeAsString());
        EXPECT_TRUE(last.ParseFromString(given.completion));
        EXPECT_EQ(last.run_id(), a.run_id()) << "every activation is answered";
        return given;
    }

    WorkflowActivationCompletion last;

 private:
    workflow_registry registry_;

 public:
    run_table runs{registry_, {}};
};

TEST(run_table, keeps_a_run_between_its_activations) {
    table t;
    t.start("r", "sleeps");
    EXPECT_EQ(t.runs.size(), 1u);
    EXPECT_EQ(t.last.successful().commands(0).start_timer().seq(), 1u);
    t.fire("r");
    EXPECT_TRUE(t.last.successful().commands(0).has_complete_workflow_execution());
}

TEST(run_table, an_eviction_destroys_the_run_and_is_answered_without_commands) {
    table t;
    t.start("r", "sleeps");
    EXPECT_FALSE(alive_in_frame.expired());
    const auto gone = t.evict("r");
    EXPECT_TRUE(alive_in_frame.expired());
    EXPECT_EQ(t.runs.size(), 0u);
    EXPECT_TRUE(gone.evicted);
    EXPECT_EQ(gone.evicted_for, "another timer was expected");
    EXPECT_TRUE(t.last.has_successful());
    EXPECT_EQ(t.last.successful().commands_size(), 0);
    t.evict("r");
    EXPECT_TRUE(t.last.has_successful()) << "also when there is no such run";
}

TEST(run_table, tells_a_new_run_from_one_that_is_built_again_from_its_history) {
    table t;
    const auto fresh = t.start("r", "sleeps");
    EXPECT_TRUE(fresh.built && !fresh.replays);
    EXPECT_FALSE(t.fire("r").built);
    t.evict("r");
    const auto again = t.start("r", "sleeps", true);
    EXPECT_TRUE(again.built && again.replays);
}

TEST(run_table, refuses_activations_of_runs_it_does_not_have) {
    table t;
    EXPECT_NE(t.fire("r").refused, "");
    EXPECT_TRUE(t.last.has_failed());
}

TEST(run_table, a_bug_fails_the_activation_and_not_the_workflow) {
    table t;
    EXPECT_EQ(t.start("r", "throws").refused, "a bug");
    EXPECT_TRUE(t.last.has_failed());
    EXPECT_NE(t.start("s", "unheard_of").refused.find("unheard_of"), std::string::npos);
    EXPECT_TRUE(t.last.has_failed());
}

TEST(run_table, a_run_that_starts_again_replaces_the_old_one) {
    table t;
    t.start("r", "sleeps");
    const auto old = alive_in_frame;
    t.start("r", "sleeps");
    EXPECT_TRUE(old.expired());
    EXPECT_EQ(t.runs.size(), 1u);
    t.runs.clear();
    EXPECT_TRUE(alive_in_frame.expired());
}

}  // namespace
}  // namespace vora::durable
