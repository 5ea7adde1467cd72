#include "libs/durable/workflow/run.hpp"

#include <gtest/gtest.h>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

template <class T>
std::vector<T> all(const completion& done) {
    std::vector<T> found;
    for (const auto& c : done.commands) {
        if (const auto* one = std::get_if<T>(&c)) {
            found.push_back(*one);
        }
    }
    return found;
}

activity_options options() {
    activity_options o;
    o.task_queue = "q";
    o.start_to_close_timeout = 1s;
    return o;
}

// Drives one definition by hand.
class driver {
 public:
    explicit driver(workflow_function definition) {
        registry_.add("w", std::move(definition));
        run_ = std::make_unique<workflow_run>(
            registry_, [this](const std::string&, const std::string& event, const std::string&) {
                logged.push_back(event);
            });
    }

    completion start(std::uint64_t seed = 7) {
        return activate({job::initialize_workflow{"id", "w", "{}", seed}});
    }
    completion activate(std::vector<activation_job> jobs) {
        return run_->activate({"run", from_unix_ms(++time_ms_), replaying, 0, std::move(jobs)});
    }
    completion resolve(std::uint32_t seq, std::string value) {
        return activate({job::resolve_activity{seq, value}});
    }
    outcome<std::string> query(const std::string& name) {
        auto done = activate({job::query_workflow{"1", name, ""}});
        EXPECT_EQ(done.commands.size(), 1u);
        return all<command::respond_to_query>(done).at(0).answer;
    }
    void evict() { run_.reset(); }

    bool replaying = false;
    std::vector<std::string> logged;

 private:
    workflow_registry registry_;
    std::unique_ptr<workflow_run> run_;
    std::int64_t time_ms_ = 1'000;
};

using w = workflow<outcome<std::string>>;

w two_in_sequence(context& ctx, std::string) {
    auto a = co_await ctx.call_raw("a", "1", options());
    auto b = co_await ctx.call_raw("b", *a, options());
    co_return *a + *b;
}

TEST(workflow_run, activities_in_sequence_are_scheduled_one_after_the_other) {
    driver d(two_in_sequence);
    auto first = all<command::schedule_activity>(d.start());
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].seq, 1u);
    EXPECT_EQ(first[0].activity_type, "a");
    auto second = all<command::schedule_activity>(d.resolve(1, "x"));
    ASSERT_EQ(second.size(), 1u);
    EXPECT_EQ(second[0].seq, 2u);
    EXPECT_EQ(second[0].input, "x");
    auto end = all<command::complete_workflow_execution>(d.resolve(2, "y"));
    ASSERT_EQ(end.size(), 1u);
    EXPECT_EQ(end[0].result, "xy");
}

TEST(workflow_run, timers_and_activities_count_their_sequence_numbers_apart) {
    driver d([](context& ctx, std::string) -> w {
        auto a = ctx.call_raw("a", "", options());
        auto t = ctx.sleep(5s);
        auto b = ctx.call_raw("b", "", options());
        auto fired = co_await t;
        co_return fired ? "fired" : "no";
    });
    const auto done = d.start();
    EXPECT_EQ(all<command::start_timer>(done).at(0).seq, 1u);
    EXPECT_EQ(all<command::schedule_activity>(done).at(1).seq, 2u);
    const auto end = d.activate({job::fire_timer{1}});
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "fired");
}

TEST(workflow_run, a_fan_out_is_awaited_in_any_order_of_arrival) {
    driver d([](context& ctx, std::string) -> w {
        std::vector<activity_future> parts;
        for (int i = 0; i < 3; ++i) {
            parts.push_back(ctx.call_raw("part", std::to_string(i), options()));
        }
        std::string text;
        for (auto& part : parts) {
            auto r = co_await part;
            text += *r;
        }
        co_return text;
    });
    EXPECT_EQ(all<command::schedule_activity>(d.start()).size(), 3u);
    EXPECT_TRUE(d.resolve(3, "c").commands.empty());
    EXPECT_TRUE(d.resolve(1, "a").commands.empty());
    const auto end = d.resolve(2, "b");
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "abc");
}

TEST(workflow_run, all_jobs_are_applied_before_the_definition_runs) {
    driver d([](context& ctx, std::string) -> w {
        auto a = ctx.call_raw("a", "", options());
        auto b = ctx.call_raw("b", "", options());
        auto r = co_await a;
        co_return b.ready() ? "both" : "one";
    });
    d.start();
    const auto end = d.activate({job::resolve_activity{1, "x"}, job::resolve_activity{2, "y"}});
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "both");
}

workflow<outcome<int>> number_of(context& ctx, std::string name) {
    auto r = co_await ctx.call_raw(name, "", options());
    if (!r) {
        co_return std::unexpected(r.error());
    }
    co_return std::stoi(*r);
}

TEST(workflow_run, a_definition_awaits_other_coroutines) {
    driver d([](context& ctx, std::string) -> w {
        int sum = 0;
        for (const char* name : {"a", "b"}) {
            auto n = co_await number_of(ctx, name);
            if (!n) {
                co_return std::unexpected(n.error());
            }
            sum += *n;
        }
        co_return std::to_string(sum);
    });
    d.start();
    d.resolve(1, "20");
    const auto end = d.resolve(2, "3");
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "23");
}

TEST(workflow_run, a_returned_failure_fails_the_workflow) {
    driver d([](context&, std::string) -> w {
        co_return std::unexpected(failure::application("input_empty", "no bytes", true));
    });
    const auto end = all<command::fail_workflow_execution>(d.start());
    ASSERT_EQ(end.size(), 1u);
    EXPECT_EQ(end[0].failure.type, "input_empty");
}

TEST(workflow_run, a_thrown_workflow_failure_fails_the_workflow) {
    driver d([](context&, std::string) -> w {
        throw workflow_failure(failure::application("thrown", ""));
        co_return "";
    });
    EXPECT_EQ(all<command::fail_workflow_execution>(d.start()).at(0).failure.type, "thrown");
}

TEST(workflow_run, any_other_exception_fails_the_activation_only) {
    driver d([](context&, std::string) -> w {
        throw std::runtime_error("a bug");
        co_return "";
    });
    const auto done = d.start();
    ASSERT_TRUE(done.activation_failure);
    EXPECT_EQ(done.activation_failure->message, "a bug");
    EXPECT_TRUE(done.commands.empty());
}

w two_signals(context& ctx, std::string) {
    auto a = co_await ctx.next_signal("s");
    auto r = co_await ctx.call_raw("a", "", options());
    auto b = co_await ctx.next_signal("s");
    co_return *a + *r + *b;
}

TEST(workflow_run, signals_before_anyone_waits_are_kept_in_order) {
    driver d(two_signals);
    d.activate({job::initialize_workflow{"id", "w", "", 1}, job::signal_workflow{"s", "1"},
                job::signal_workflow{"other", "x"}, job::signal_workflow{"s", "2"}});
    const auto end = d.resolve(1, "-");
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "1-2");
}

TEST(workflow_run, a_signal_wakes_who_waits_for_it) {
    driver d(two_signals);
    d.start();
    EXPECT_EQ(all<command::schedule_activity>(d.activate({job::signal_workflow{"s", "1"}})).size(),
              1u);
    d.resolve(1, "-");
    const auto end = d.activate({job::signal_workflow{"s", "2"}});
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "1-2");
}

TEST(workflow_run, a_condition_waits_for_the_first_of_several) {
    driver d([](context& ctx, std::string) -> w {
        auto slow = ctx.call_raw("slow", "", options());
        auto stop = ctx.next_signal("stop");
        auto held = co_await ctx.wait_until([&] { return slow.ready() || stop.ready(); });
        ctx.cancel(slow);
        co_return (held && stop.ready()) ? "stopped" : "done";
    });
    d.start();
    const auto end = d.activate({job::signal_workflow{"stop", ""}});
    EXPECT_EQ(all<command::request_cancel_activity>(end).at(0).seq, 1u);
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "stopped");
}

TEST(workflow_run, queries_are_answered_during_the_run_and_after_its_end) {
    driver d([](context& ctx, std::string) -> w {
        auto& stage = ctx.keep(std::string("first"));
        ctx.on_query("stage", [&stage](std::string) { return stage; });
        auto r = co_await ctx.call_raw("a", "", options());
        stage = "last";
        co_return *r;
    });
    d.start();
    EXPECT_EQ(d.query("stage").value(), "first");
    d.resolve(1, "x");
    EXPECT_EQ(d.query("stage").value(), "last");
    EXPECT_EQ(d.query("other").error().type, "unknown_query");
}

TEST(workflow_run, a_query_has_no_side_effects) {
    driver d([](context& ctx, std::string) -> w {
        ctx.on_query("bad", [&ctx](std::string) {
            (void)ctx.sleep(1s);
            return std::string();
        });
        auto fired = co_await ctx.sleep(1s);
        co_return fired ? "x" : "y";
    });
    d.start();
    EXPECT_EQ(d.query("bad").error().type, "query_failed");
}

w cancellable(context& ctx, std::string) {
    auto timer = ctx.sleep(1h);
    auto r = co_await ctx.call_raw("work", "", options());
    if (!r && r.error().is_cancelled()) {
        auto late = co_await ctx.call_raw("late", "", options());
        const context::cancellation_shield shield(ctx);
        auto undone = co_await ctx.call_raw("undo", "", options());
        co_return std::unexpected(late.error());
    }
    co_return "done";
}

TEST(workflow_run, cancellation_reaches_what_is_pending_and_what_comes_but_not_the_shielded) {
    driver d(cancellable);
    d.start();
    const auto asked = d.activate({job::cancel_workflow{}});
    EXPECT_EQ(all<command::cancel_timer>(asked).at(0).seq, 1u);
    EXPECT_EQ(all<command::request_cancel_activity>(asked).at(0).seq, 1u);
    EXPECT_TRUE(all<command::schedule_activity>(asked).empty());  // waits for the activity to end
    const auto undo = all<command::schedule_activity>(d.activate({job::resolve_activity{
        1, std::unexpected(failure::activity("work", failure::cancelled()))}}));
    ASSERT_EQ(undo.size(), 1u);
    EXPECT_EQ(undo[0].activity_type, "undo");
    EXPECT_EQ(undo[0].seq, 2u);
    EXPECT_EQ(all<command::cancel_workflow_execution>(d.resolve(2, "")).size(), 1u);
}

TEST(workflow_run, a_workflow_may_complete_although_it_was_cancelled) {
    driver d(cancellable);
    d.start();
    const auto end = d.activate({job::cancel_workflow{}, job::resolve_activity{1, "just in time"}});
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "done");
    EXPECT_TRUE(all<command::request_cancel_activity>(end).empty());
}

TEST(workflow_run, cancellation_ends_waits_for_signals_conditions_and_timers) {
    driver d([](context& ctx, std::string) -> w {
        auto signal = co_await ctx.next_signal("s");
        auto held = co_await ctx.wait_until([] { return false; });
        auto fired = co_await ctx.sleep(1s);
        co_return signal || held || fired ? "wrong" : "all ended";
    });
    d.start();
    const auto end = d.activate({job::cancel_workflow{}});
    EXPECT_EQ(all<command::complete_workflow_execution>(end).at(0).result, "all ended");
}

TEST(workflow_run, random_ids_depend_on_the_seed_only) {
    const auto definition = [](context& ctx, std::string) -> w {
        co_return ctx.new_id() + ctx.new_id();
    };
    auto id = [&](std::uint64_t seed) {
        driver d(definition);
        return all<command::complete_workflow_execution>(d.start(seed)).at(0).result;
    };
    EXPECT_EQ(id(1), id(1));
    EXPECT_NE(id(1), id(2));
    EXPECT_EQ(id(1).size(), 72u);
    EXPECT_NE(id(1).substr(0, 36), id(1).substr(36));
    EXPECT_EQ(id(1)[14], '4');
}

w patched_workflow(context& ctx, std::string) {
    const bool a = ctx.patched("new-ladder");
    const bool b = ctx.patched("new-ladder");
    co_return (a && b) ? "new" : "old";
}

TEST(workflow_run, new_runs_take_the_patched_way_and_mark_it_once) {
    driver d(patched_workflow);
    const auto done = d.start();
    EXPECT_EQ(all<command::set_patch_marker>(done).size(), 1u);
    EXPECT_EQ(all<command::complete_workflow_execution>(done).at(0).result, "new");
}

TEST(workflow_run, a_replayed_run_takes_the_way_it_took) {
    driver old(patched_workflow);
    old.replaying = true;
    EXPECT_EQ(all<command::complete_workflow_execution>(old.start()).at(0).result, "old");
    driver marked(patched_workflow);
    marked.replaying = true;
    const auto done = marked.activate(
        {job::initialize_workflow{"id", "w", "", 1}, job::notify_has_patch{"new-ladder"}});
    EXPECT_EQ(all<command::complete_workflow_execution>(done).at(0).result, "new");
}

TEST(workflow_run, logs_are_silent_on_replay) {
    const auto definition = [](context& ctx, std::string) -> w {
        ctx.log("begun");
        co_return "";
    };
    driver live(definition);
    live.start();
    EXPECT_EQ(live.logged.size(), 1u);
    driver replayed(definition);
    replayed.replaying = true;
    replayed.start();
    EXPECT_TRUE(replayed.logged.empty());
}

TEST(workflow_run, a_payload_above_the_limit_is_refused_without_a_command) {
    driver d([](context& ctx, std::string) -> w {
        auto r = co_await ctx.call_raw("a", std::string(payload_bytes_max + 1, 'x'), options());
        co_return r.error().root().type;
    });
    const auto done = d.start();
    EXPECT_TRUE(all<command::schedule_activity>(done).empty());
    EXPECT_EQ(all<command::complete_workflow_execution>(done).at(0).result, "payload_too_large");
}

TEST(workflow_run, an_activity_without_a_time_limit_is_a_bug) {
    driver d([](context& ctx, std::string) -> w {
        auto r = co_await ctx.call_raw("a", "", activity_options{});
        co_return *r;
    });
    EXPECT_TRUE(d.start().activation_failure);
}

TEST(workflow_run, commands_without_end_fail_the_activation) {
    driver d([](context& ctx, std::string) -> w {
        for (;;) {
            (void)ctx.sleep(1s);
        }
        co_return "";
    });
    EXPECT_TRUE(d.start().activation_failure);
}

struct counted {
    explicit counted(int& n) : alive(n) { ++alive; }
    ~counted() { --alive; }
    int& alive;
};

int frames = 0;

workflow<int> nested_wait(context& ctx) {
    const counted mark(frames);
    auto signal = co_await ctx.next_signal("s");
    auto fired = co_await ctx.sleep(1s);
    co_return (signal && fired) ? 1 : 0;
}

w many_waits(context& ctx, std::string) {
    const counted mark(frames);
    auto pending = ctx.call_raw("never", "", options());
    auto a = co_await ctx.call_raw("a", "", options());
    const context::cancellation_shield shield(ctx);
    auto n = co_await nested_wait(ctx);
    auto& flag = ctx.keep(false);
    ctx.on_query("set", [&flag](std::string) {
        flag = true;
        return std::string();
    });
    auto held = co_await ctx.wait_until([&] { return flag || n == 7; });
    co_return held ? *a : "";
}

TEST(workflow_run, eviction_at_every_wait_destroys_the_frames) {
    const std::vector<std::vector<activation_job>> steps{
        {job::initialize_workflow{"id", "w", "", 1}},
        {job::resolve_activity{2, "x"}},
        {job::signal_workflow{"s", ""}},
        {job::fire_timer{1}},
    };
    for (std::size_t upto = 0; upto <= steps.size(); ++upto) {
        driver d(many_waits);
        for (std::size_t i = 0; i < upto; ++i) {
            EXPECT_FALSE(d.activate(steps[i]).activation_failure);
        }
        EXPECT_EQ(frames > 0, upto > 0);
        const auto done = d.activate({job::remove_from_cache{"test"}});
        EXPECT_TRUE(done.commands.empty());
        EXPECT_EQ(frames, 0) << upto;
        EXPECT_TRUE(d.activate({}).activation_failure);  // it is gone
    }
}

TEST(workflow_run, destroying_a_waiting_run_destroys_the_frames) {
    driver d(many_waits);
    d.start();
    d.resolve(2, "x");
    EXPECT_EQ(frames, 2);
    d.evict();
    EXPECT_EQ(frames, 0);
}

}  // namespace
}  // namespace vora::durable
