// The engine's rules under a virtual clock: retries, timeouts, cancellation, and the environment
// itself.
#include "libs/durable/engine_embedded/history.hpp"
#include "libs/durable/engine_embedded/test_environment.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

struct text {
    std::string value;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(text, value)
};

constexpr activity_type<text, text> work{"work", "queue"};
constexpr activity_type<text, text> other{"other", "other_queue"};
constexpr workflow_type<text> simple{"simple", "vora"};

activity_options options() {
    activity_options o;
    o.start_to_close_timeout = 10min;
    return o;
}

// Calls `work` once with these options and returns what it returned.
workflow_registry one_call(activity_options o) {
    workflow_registry r;
    r.add(simple, [o](context& ctx, text in) -> workflow<outcome<text>> {
        auto out = co_await ctx.call(work, in, o);
        co_return out;
    });
    return r;
}

outcome<text> fails(const char* type, bool non_retryable = false) {
    return std::unexpected(failure::application(type, "as told", non_retryable));
}

std::string value_of(const outcome<std::string>& r) {
    return r ? nlohmann::json::parse(*r).get<text>().value : "failed: " + r.error().root().type;
}

TEST(embedded_engine, a_workflow_gets_the_result_of_its_activity) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](const text& in) -> outcome<text> { return text{in.value + "!"}; });
    env.start(simple, text{"hello"});
    EXPECT_EQ(value_of(env.result()), "hello!");
    EXPECT_EQ(env.describe().status, run_status::completed);
}

TEST(embedded_engine, a_failed_attempt_is_tried_again_with_growing_waits) {
    workflow_test_environment env(one_call(options()));
    std::vector<timestamp> tried;
    env.on(work, [&](activity_context& ctx, const text&) -> outcome<text> {
        tried.push_back(env.now());
        EXPECT_EQ(ctx.info().attempt, static_cast<int>(tried.size()));
        if (tried.size() < 5) {
            return fails("flaky");
        }
        return text{"at last"};
    });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "at last");
    ASSERT_EQ(tried.size(), 5u);
    EXPECT_EQ(tried[1] - tried[0], 1s);
    EXPECT_EQ(tried[2] - tried[1], 2s);
    EXPECT_EQ(tried[3] - tried[2], 4s);
    EXPECT_EQ(tried[4] - tried[3], 8s);
}

TEST(embedded_engine, waits_between_attempts_stay_below_the_maximum_interval) {
    auto o = options();
    o.retry.maximum_interval = 3s;
    workflow_test_environment env(one_call(o));
    std::vector<timestamp> tried;
    env.on(work, [&](const text&) -> outcome<text> {
        tried.push_back(env.now());
        return tried.size() < 6 ? fails("flaky") : text{"ok"};
    });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "ok");
    EXPECT_EQ(tried[5] - tried[4], 3s);
}

TEST(embedded_engine, maximum_attempts_ends_the_retries) {
    auto o = options();
    o.retry.maximum_attempts = 3;
    workflow_test_environment env(one_call(o));
    env.on(work, [](const text&) -> outcome<text> { return fails("crashed"); });
    env.start(simple, text{});
    const auto end = env.result();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().what, failure::kind::activity);
    EXPECT_EQ(end.error().type, "work");
    EXPECT_EQ(end.error().root().type, "crashed");
    EXPECT_EQ(env.attempts("work"), 3);
    EXPECT_EQ(env.describe().status, run_status::failed);
}

TEST(embedded_engine, a_non_retryable_failure_is_not_retried) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](const text&) -> outcome<text> { return fails("input_empty", true); });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "failed: input_empty");
    EXPECT_EQ(env.attempts("work"), 1);
}

TEST(embedded_engine, a_listed_failure_type_is_not_retried) {
    auto o = options();
    o.retry.non_retryable_error_types = {"stale_generation"};
    workflow_test_environment env(one_call(o));
    env.on(work, [](const text&) -> outcome<text> { return fails("stale_generation"); });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "failed: stale_generation");
    EXPECT_EQ(env.attempts("work"), 1);
}

TEST(embedded_engine, an_exception_in_an_activity_is_a_retryable_internal_error) {
    auto o = options();
    o.retry.maximum_attempts = 2;
    workflow_test_environment env(one_call(o));
    env.on(work, [](const text&) -> outcome<text> { throw std::runtime_error("oops"); });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "failed: internal_error");
    EXPECT_EQ(env.attempts("work"), 2);
}

TEST(embedded_engine, schedule_to_close_ends_all_attempts_with_the_last_failure) {
    auto o = options();
    o.schedule_to_close_timeout = 10s;
    workflow_test_environment env(one_call(o));
    const auto begun = env.now();
    env.on(work, [](const text&) -> outcome<text> { return fails("storage_unavailable"); });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "failed: storage_unavailable");
    EXPECT_EQ(env.attempts("work"), 4);  // at 0, 1, 3, 7 s; the next would be at 15 s
    EXPECT_LE(env.now() - begun, 10s);
}

TEST(embedded_engine, an_activity_that_nobody_takes_times_out) {
    auto o = options();
    o.schedule_to_close_timeout = 1h;
    workflow_test_environment env(one_call(o));
    const auto begun = env.now();
    env.start(simple, text{});
    const auto end = env.result();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().root().what, failure::kind::timeout);
    EXPECT_EQ(end.error().root().type, "schedule_to_close");
    EXPECT_EQ(env.now() - begun, 1h);
}

TEST(embedded_engine, start_to_close_ends_one_attempt) {
    auto o = options();
    o.start_to_close_timeout = 30s;
    o.retry.maximum_attempts = 2;
    workflow_test_environment env(one_call(o));
    const auto begun = env.now();
    env.hang(work);
    env.start(simple, text{});
    const auto end = env.result();
    EXPECT_EQ(end.error().root().type, "start_to_close");
    EXPECT_EQ(env.attempts("work"), 2);
    EXPECT_EQ(env.now() - begun, 61s);  // two attempts and a second between
}

TEST(embedded_engine, a_missing_heartbeat_ends_the_attempt) {
    auto o = options();
    o.heartbeat_timeout = 5s;
    o.retry.maximum_attempts = 1;
    workflow_test_environment env(one_call(o));
    const auto begun = env.now();
    env.hang(work);
    env.start(simple, text{});
    EXPECT_EQ(env.result().error().root().type, "heartbeat");
    EXPECT_EQ(env.now() - begun, 5s);
}

TEST(embedded_engine, heartbeat_details_reach_the_next_attempt) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](activity_context& ctx, const text&) -> outcome<text> {
        if (ctx.info().attempt == 1) {
            ctx.heartbeat(R"({"segment":3})");
            return fails("crashed");
        }
        return text{ctx.info().heartbeat_details};
    });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), R"({"segment":3})");
}

TEST(embedded_engine, describe_shows_what_is_pending) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](activity_context& ctx, const text&) -> outcome<text> {
        ctx.heartbeat(R"({"percent":40})");
        return fails("flaky");
    });
    env.start(simple, text{});
    env.advance(2s);
    const auto d = env.describe();
    EXPECT_EQ(d.status, run_status::running);
    EXPECT_EQ(d.workflow_type, "simple");
    ASSERT_EQ(d.pending_activities.size(), 1u);
    EXPECT_EQ(d.pending_activities[0].type, "work");
    EXPECT_EQ(d.pending_activities[0].attempt, 3);
    EXPECT_EQ(d.pending_activities[0].heartbeat_details, R"({"percent":40})");
    EXPECT_EQ(d.pending_activities[0].last_failure_type, "flaky");
}

TEST(embedded_engine, timers_fire_in_virtual_time) {
    workflow_registry r;
    r.add(simple, [](context& ctx, text) -> workflow<outcome<text>> {
        const auto begun = ctx.now();
        auto fired = co_await ctx.sleep(std::chrono::hours(72));
        co_return text{fired ? std::to_string((ctx.now() - begun) / 1h) : "cancelled"};
    });
    workflow_test_environment env(std::move(r));
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "72");
}

workflow_registry signal_loop() {
    workflow_registry r;
    r.add(simple, [](context& ctx, text) -> workflow<outcome<text>> {
        auto& seen = ctx.keep(std::string());
        ctx.on_query("seen", [&seen](std::string) { return seen; });
        while (seen.size() < 3) {
            auto s = co_await ctx.next_signal("letter");
            if (!s) {
                co_return std::unexpected(failure::cancelled());
            }
            seen += *s;
        }
        co_return text{seen};
    });
    return r;
}

TEST(embedded_engine, signals_and_queries_reach_the_workflow) {
    workflow_test_environment env(signal_loop());
    env.start(simple, text{});
    env.signal("letter", "a");
    env.signal("letter", "b");
    EXPECT_EQ(env.query("seen").value(), "ab");
    EXPECT_EQ(env.query("nothing").error().reason, "unknown_query");
    env.signal("letter", "c");
    EXPECT_EQ(value_of(env.result()), "abc");
}

TEST(embedded_engine, a_closed_run_answers_queries_by_replay) {
    workflow_test_environment env(signal_loop());
    env.start(simple, text{});
    for (const char* letter : {"x", "y", "z"}) {
        env.signal("letter", letter);
    }
    EXPECT_EQ(env.describe().status, run_status::completed);
    EXPECT_EQ(env.query("seen").value(), "xyz");
    EXPECT_THROW(env.signal("letter", "!"), std::runtime_error);
}

TEST(embedded_engine, cancel_is_a_request_the_workflow_answers) {
    workflow_test_environment env(signal_loop());
    env.start(simple, text{});
    env.cancel();
    EXPECT_EQ(env.describe().status, run_status::cancelled);
    env.cancel();  // success when it is closed already
}

TEST(embedded_engine, an_activity_in_backoff_is_cancelled_at_once) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](const text&) -> outcome<text> { return fails("flaky"); });
    env.start(simple, text{});
    env.settle();
    env.cancel();
    EXPECT_EQ(env.describe().status, run_status::cancelled);
    EXPECT_EQ(env.attempts("work"), 1);
}

TEST(embedded_engine, a_running_activity_learns_of_cancellation_by_its_heartbeat) {
    workflow_test_environment env(one_call(options()));
    env.on(work, [](activity_context& ctx, text) -> task<outcome<text>> {
        while (!ctx.is_cancelled()) {
            ctx.heartbeat("{}");
            co_await sleep_for(milliseconds(1));
        }
        co_return std::unexpected(failure::cancelled());
    });
    // The mock waits for cancellation in real time, so the workflow is not settled meanwhile.
    env.start(simple, text{});
    env.cancel_now();
    const auto end = env.result();
    EXPECT_TRUE(end.error().is_cancelled());
    EXPECT_EQ(env.describe().status, run_status::cancelled);
}

TEST(embedded_engine, try_cancel_does_not_wait_for_the_activity) {
    auto o = options();
    o.cancellation = cancellation_type::try_cancel;
    workflow_test_environment env(one_call(o));
    env.hang(work);
    env.start(simple, text{});
    env.settle();
    env.cancel();
    EXPECT_EQ(env.describe().status, run_status::cancelled);
}

TEST(embedded_engine, compensation_runs_under_a_shield) {
    workflow_registry r;
    r.add(simple, [](context& ctx, text in) -> workflow<outcome<text>> {
        auto out = co_await ctx.call(work, in, options());
        if (!out) {
            const context::cancellation_shield shield(ctx);
            auto undone = co_await ctx.call(other, in, options());
            co_return std::unexpected(out.error());
        }
        co_return *out;
    });
    workflow_test_environment env(std::move(r));
    env.on(work, [](const text&) -> outcome<text> { return fails("flaky"); });
    env.on(other, [](const text&) -> outcome<text> { return text{}; });
    env.start(simple, text{});
    env.settle();
    env.cancel();
    EXPECT_EQ(env.describe().status, run_status::cancelled);
    EXPECT_EQ(env.attempts("other"), 1);
}

TEST(embedded_engine, a_large_result_is_refused) {
    workflow_test_environment env(one_call(options()));
    env.on(work,
           [](const text&) -> outcome<text> { return text{std::string(payload_bytes_max, 'x')}; });
    env.start(simple, text{});
    EXPECT_EQ(value_of(env.result()), "failed: payload_too_large");
}

TEST(embedded_engine, a_throwing_definition_leaves_the_run_open_and_is_tried_again) {
    static int failures_left = 2;
    workflow_registry r;
    r.add(simple, [](context& ctx, text in) -> workflow<outcome<text>> {
        auto fired = co_await ctx.sleep(1s);
        if (failures_left-- > 0) {
            throw std::logic_error("a bug");
        }
        co_return text{fired ? in.value : ""};
    });
    workflow_test_environment env(std::move(r));
    env.start(simple, text{"survived"});
    env.advance(1500ms);
    EXPECT_EQ(env.describe().status, run_status::running);
    EXPECT_EQ(value_of(env.result()), "survived");
    EXPECT_GT(failures_left, -10);
}

TEST(embedded_engine, a_workflow_that_waits_for_nothing_is_reported) {
    workflow_test_environment env(signal_loop());
    env.start(simple, text{});
    EXPECT_EQ(env.result().error().type, "did_not_end");
}

// A bigger definition, to record and to change.
workflow<outcome<text>> recorded_workflow(context& ctx, text in, bool changed) {
    auto first = ctx.call(work, in, options());
    auto second = ctx.call(other, in, options());
    auto fired = co_await ctx.sleep(5min);
    auto a = co_await first;
    if (changed) {
        auto extra = co_await ctx.sleep(1s);
        (void)extra;
    }
    auto b = co_await second;
    if (ctx.patched("suffix")) {
        co_return text{a->value + b->value + (fired ? "+" : "-") + ctx.new_id()};
    }
    co_return text{a->value};
}

workflow_registry recorded_registry(bool changed) {
    workflow_registry r;
    r.add(simple, [changed](context& ctx, text in) -> workflow<outcome<text>> {
        auto out = co_await recorded_workflow(ctx, in, changed);
        co_return out;
    });
    return r;
}

std::string record() {
    workflow_test_environment env(recorded_registry(false));
    env.on(work, [](activity_context& ctx, const text& in) -> outcome<text> {
        if (ctx.info().attempt == 1) {
            return fails("flaky");
        }
        return text{in.value + "1"};
    });
    env.on(other, [](const text& in) -> outcome<text> { return text{in.value + "2"}; });
    env.start(simple, text{"x"});
    EXPECT_TRUE(env.result());
    return env.history();
}

TEST(replay_history, a_recorded_history_fits_the_definition_that_made_it) {
    const auto r = replay_history(recorded_registry(false), record());
    EXPECT_TRUE(r) << r.error().detail;
}

// Recorded once and never edited: what an older version wrote must stay readable, and replay.
TEST(replay_history, the_history_of_an_older_version_still_replays) {
    const auto path =
        std::filesystem::path(__FILE__).parent_path() / "histories" / "two_activities.json";
    std::ifstream in(path);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto r = replay_history(recorded_registry(false), text);
    EXPECT_TRUE(r) << r.error().detail;
}

TEST(replay_history, a_changed_definition_is_found_out) {
    const auto r = replay_history(recorded_registry(true), record());
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "nondeterminism");
}

TEST(replay_history, survives_any_truncation_between_events) {
    const auto whole = history_from_json(record()).value();
    for (std::size_t n = 1; n <= whole.size(); ++n) {
        const std::span<const history_event> part(whole.data(), n);
        const auto r = replay(recorded_registry(false), {}, "run", part);
        // A history ends with whole transactions only; cut inside a block of commands it is
        // refused.
        if (!r) {
            EXPECT_EQ(r.error().reason, "nondeterminism") << n;
        }
    }
}

TEST(replay_history, damaged_text_is_an_error) {
    for (const char* text :
         {"", "{", "[{}]", R"([{"event_id":1,"type":"x","time_ms":0}])", "[1]",
          R"([{"event_id":1,"type":"timer_fired","time_ms":0,"attributes":3}])"}) {
        EXPECT_FALSE(replay_history(recorded_registry(false), text)) << text;
    }
}

}  // namespace
}  // namespace vora::durable
