// One definition, one script, both engines: what the definition sees, which attempts there are and
// how the run ends must be the same on a real Temporal server and on the embedded engine.

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/test_environment.hpp"
#include "libs/durable/engine_temporal/temporal_engine.hpp"
#include "libs/durable/engine_temporal/workflow_worker/workflow_worker.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <ostream>
#include <stdexcept>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;

// What the definitions are told: which activity to call, and how.
struct call {
    std::string activity = "works";
    std::string queue;  // the stage sets it
    std::int64_t start_to_close_ms = 600'000;
    std::int64_t schedule_to_close_ms = 0;
    std::int64_t heartbeat_ms = 0;
    std::int64_t initial_ms = 10;
    int attempts_max = 0;
    std::vector<std::string> final_types;
    bool waits_for_cancellation = true;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE_WITH_DEFAULT(call, activity, queue, start_to_close_ms,
                                                schedule_to_close_ms, heartbeat_ms, initial_ms,
                                                attempts_max, final_types, waits_for_cancellation)
};

activity_options options_of(const call& c) {
    activity_options o;
    o.task_queue = c.queue;
    o.start_to_close_timeout = milliseconds(c.start_to_close_ms);
    o.schedule_to_close_timeout = milliseconds(c.schedule_to_close_ms);
    o.heartbeat_timeout = milliseconds(c.heartbeat_ms);
    o.retry.initial_interval = milliseconds(c.initial_ms);
    o.retry.maximum_attempts = c.attempts_max;
    o.retry.non_retryable_error_types = c.final_types;
    o.cancellation = c.waits_for_cancellation ? cancellation_type::wait_cancellation_completed
                                              : cancellation_type::try_cancel;
    return o;
}

// The chain, as a definition can tell one failure from another.
std::string words(const failure& f) {
    static const char* const kinds[] = {"application", "cancelled", "timeout", "activity",
                                        "terminated"};
    auto own = std::string(kinds[static_cast<int>(f.what)]) + ":" + f.type +
               (f.non_retryable ? "!" : "") + f.details;
    return f.cause ? own + " > " + words(*f.cause) : own;
}

std::string quoted(const std::string& text) {
    return nlohmann::json(text).dump();
}

using text_workflow = workflow<outcome<std::string>>;

// What a definition has to tell, also when it has ended: the query "told".
std::string& told(context& ctx) {
    auto& text = ctx.keep(std::string());
    ctx.on_query("told", [&text](std::string in) { return quoted(text + in); });
    return text;
}

text_workflow calls(context& ctx, std::string in) {
    const auto c = nlohmann::json::parse(in).get<call>();
    auto& text = told(ctx);
    auto r = co_await ctx.call_raw(c.activity, quoted("input"), options_of(c));
    text = r ? *r : words(r.error());
    co_return "{}";
}

// Ends as its activity did.
text_workflow ends_with_it(context& ctx, std::string in) {
    const auto c = nlohmann::json::parse(in).get<call>();
    told(ctx);
    auto r = co_await ctx.call_raw(c.activity, quoted("input"), options_of(c));
    co_return r;
}

text_workflow compensates(context& ctx, std::string in) {
    const auto c = nlohmann::json::parse(in).get<call>();
    auto& text = told(ctx);
    auto r = co_await ctx.call_raw(c.activity, quoted("input"), options_of(c));
    auto late = co_await ctx.call_raw("works", quoted("late"), options_of(c));
    const context::cancellation_shield shield(ctx);
    auto undone = co_await ctx.call_raw("works", quoted("undo"), options_of(c));
    text = (r ? *r : words(r.error())) + ", " + (late ? *late : words(late.error())) + ", " +
           (undone ? "undone" : "not undone");
    co_return "{}";
}

// Asks its activity to end when it is told to.
text_workflow gives_up(context& ctx, std::string in) {
    const auto c = nlohmann::json::parse(in).get<call>();
    auto& text = told(ctx);
    auto slow = ctx.call_raw(c.activity, quoted("input"), options_of(c));
    co_await ctx.next_signal("go");
    ctx.cancel(slow);
    auto r = co_await slow;
    text = r ? *r : words(r.error());
    co_return "{}";
}

text_workflow sleeps(context& ctx, std::string) {
    auto& text = told(ctx);
    const bool fired = co_await ctx.sleep(1h);
    text = fired ? "fired" : "not fired";
    co_return std::unexpected(failure::cancelled());
}

// Two signals with queries between, a version mark, a timer.
text_workflow listens(context& ctx, std::string) {
    auto& text = told(ctx);
    if (ctx.patched("mark")) {
        text = "marked ";
    }
    for (int i = 0; i < 2; ++i) {
        auto heard = co_await ctx.next_signal("go");
        text += heard ? *heard : "nothing";
    }
    co_await ctx.sleep(10ms);
    co_return "{}";
}

text_workflow fans_out(context& ctx, std::string in) {
    const auto c = nlohmann::json::parse(in).get<call>();
    auto& text = told(ctx);
    std::vector<activity_future> all;
    for (int i = 0; i < 3; ++i) {
        all.push_back(ctx.call_raw(c.activity, quoted("input"), options_of(c)));
    }
    for (auto& one : all) {
        auto r = co_await one;
        text += r ? *r : words(r.error());
    }
    co_return "{}";
}

workflow_registry definitions() {
    workflow_registry r;
    r.add("calls", calls);
    r.add("ends_with_it", ends_with_it);
    r.add("compensates", compensates);
    r.add("gives_up", gives_up);
    r.add("sleeps", sleeps);
    r.add("listens", listens);
    r.add("fans_out", fans_out);
    return r;
}

// What both engines are compared by.
struct course {
    std::string attempts;
    run_status status = run_status::running;
    std::string failed;  // in words
    std::vector<std::string> answers;
    bool operator==(const course&) const = default;
};

std::ostream& operator<<(std::ostream& out, const course& c) {
    out << "{" << c.attempts << " | " << static_cast<int>(c.status) << " | " << c.failed;
    for (const auto& a : c.answers) {
        out << " | " << a;
    }
    return out << "}";
}

struct scenario {
    std::string definition;
    call how;
    enum class cancelled { never, at_once, when_begun, in_backoff };
    cancelled when = cancelled::never;
    std::vector<std::string> signals = {};  // once the first attempt has begun, if there is one
};

// Activities: "works" answers, "flaky" fails twice, "refuses" for ever and finally, "crashes" for
// ever, "stops" runs until it is cancelled, "hangs" for ever and silently.
activity_function plays(const std::string& type, course& seen, const std::function<void()>& begun) {
    return [type, &seen, begun, left = std::make_shared<int>(2)](
               activity_context& ctx, std::string) -> task<outcome<std::string>> {
        seen.attempts += type + std::to_string(ctx.info().attempt) + " ";
        if (type == "works") {
            co_return quoted("worked");
        }
        if (type == "flaky" && (*left)-- <= 0) {
            co_return quoted("at last");
        }
        if (type == "refuses") {
            auto f = failure::application("refused", "because", true);
            f.details = R"({"why":1})";
            co_return std::unexpected(f);
        }
        if (type != "stops" && type != "hangs") {
            co_return std::unexpected(failure::application("crashed", "signal 9"));
        }
        begun();
        while (!ctx.is_cancelled()) {
            if (type == "stops") {
                ctx.heartbeat("{}");
            }
            co_await sleep_for(5ms);
        }
        co_return std::unexpected(failure::cancelled());
    };
}

const std::vector<std::string> activity_types{"works", "flaky", "refuses", "crashes", "stops"};

using cancelled = scenario::cancelled;

// As plays() would note them.
std::string noted(const std::vector<std::string>& attempts) {
    std::string all;
    int attempt = 0;
    for (const auto& type : attempts) {
        all += type + std::to_string(++attempt) + " ";
    }
    return all;
}

course on_embedded(scenario s) {
    course seen;
    workflow_test_environment env(definitions());
    for (const auto& type : activity_types) {
        env.on_raw(type, "queue", plays(type, seen, [&] {
                       if (s.when == cancelled::when_begun) {
                           env.cancel_soon();
                       }
                   }));
    }
    env.hang(activity_type<call, call>{"hangs", "queue"});
    s.how.queue = "queue";
    env.start_raw(s.definition, "vora", nlohmann::json(s.how).dump());
    if (s.when == cancelled::at_once || s.when == cancelled::in_backoff) {
        env.settle();
        env.cancel();
    }
    if (!s.signals.empty()) {
        env.settle();
    }
    for (const auto& signal : s.signals) {
        env.signal("go", signal);
        if (s.definition == "listens") {
            seen.answers.push_back(env.query("told", "?").value_or("none"));
        }
    }
    auto end = env.result();
    seen.failed = end ? "" : words(end.error());
    seen.answers.push_back(env.query("told", "!").value_or("none"));
    seen.answers.push_back(env.query("unknown", "").error().reason);
    seen.status = env.describe().status;
    if (s.how.activity == "hangs") {
        seen.attempts = noted(env.attempts());
    }
    return seen;
}

// One run on a real server, with queues of its own.
class temporal_stage {
 public:
    explicit temporal_stage(scenario s) : s_(std::move(s)), id_("engines-" + random_hex(8)) {
        const char* address = std::getenv("VORA_TEST_TEMPORAL");
        if (address == nullptr) {
            throw std::runtime_error("VORA_TEST_TEMPORAL names no Temporal server (tools/stack)");
        }
        temporal_engine_options options;
        options.address.host_port = address;
        options.call_timeout = 30s;
        engine_ =
            std::make_unique<temporal_engine>(loop_.executor(), options, obs::logger(), metrics_);
        temporal_worker_options runs;
        runs.address = address;
        runs.task_queue = id_;
        runs.tasks_max = 2;
        runs_ = std::make_unique<temporal_workflow_worker>(definitions(), runs, obs::logger(),
                                                           metrics_);
    }
    ~temporal_stage() {
        loop_.run_until_done(activities_->stop());
        loop_.run_until_done(engine_->stop());
    }
    temporal_stage(const temporal_stage&) = delete;

    course play() {
        EXPECT_TRUE(runs_->start());
        activity_registry registry;
        auto types = activity_types;
        types.emplace_back("hangs");
        for (const auto& type : types) {
            registry.add(type, plays(type, seen_, [this] { begun_ = true; }));
        }
        s_.how.queue = id_ + "-activities";
        activities_ = std::make_unique<activity_worker>(
            loop_.executor(), *engine_, std::move(registry),
            activity_worker_options{s_.how.queue, 4, 50ms}, obs::logger());
        activities_->start();
        // A server that has too much to do just now is asked again, as the product does.
        EXPECT_TRUE(until([this] {
            auto started = loop_.run_until_done(
                engine_->start({id_, s_.definition, id_, nlohmann::json(s_.how).dump()}));
            return started || started.error().code == errc::already_exists;
        }));
        act();
        finish();
        return seen_;
    }

 private:
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            loop_.run_until_done(sleep_for(10ms));
        }
        return true;
    }
    std::string ask(const std::string& name, const std::string& input) {
        result<std::string> answer;
        until([&] {
            answer = loop_.run_until_done(engine_->query(id_, name, input));
            return answer || answer.error().code != errc::unavailable;
        });
        return answer ? *answer : answer.error().reason;
    }
    run_description described() {
        auto r = loop_.run_until_done(engine_->describe(id_));
        return r ? *r : run_description{};
    }
    void act() {
        const bool told = s_.definition == "gives_up";
        if (s_.when == cancelled::when_begun || told) {
            EXPECT_TRUE(until([this] { return begun_; }));
        } else if (s_.when == cancelled::in_backoff) {
            EXPECT_TRUE(until([this] {
                const auto pending = described().pending_activities;
                return pending.size() == 1 && pending[0].attempt == 2;
            }));
        }
        if (s_.when != cancelled::never) {
            EXPECT_TRUE(
                until([this] { return loop_.run_until_done(engine_->cancel(id_)).has_value(); }));
        }
        for (const auto& signal : s_.signals) {
            EXPECT_TRUE(loop_.run_until_done(engine_->signal(id_, "go", signal)));
            if (s_.definition == "listens") {
                seen_.answers.push_back(ask("told", "?"));
            }
        }
    }
    void finish() {
        run_description d;
        EXPECT_TRUE(until([&] {
            d = described();
            return d.status != run_status::running;
        })) << "the run did not end";
        seen_.status = d.status;
        if (d.status == run_status::cancelled) {
            seen_.failed = words(failure::cancelled());
        } else if (d.last_failure) {
            seen_.failed = words(*d.last_failure);
        }
        seen_.answers.push_back(ask("told", "!"));
        seen_.answers.push_back(ask("unknown", ""));
    }

    scenario s_;
    std::string id_;
    event_loop loop_;
    obs::metrics metrics_;
    std::unique_ptr<temporal_engine> engine_;
    std::unique_ptr<temporal_workflow_worker> runs_;
    std::unique_ptr<activity_worker> activities_;
    course seen_;
    bool begun_ = false;
};

course on_both(const scenario& s) {
    const auto here = on_embedded(s);
    temporal_stage stage(s);
    const auto there = stage.play();
    EXPECT_EQ(there, here);
    return there;
}

call of(const char* activity) {
    call c;
    c.activity = activity;
    return c;
}

TEST(both_engines, try_a_failed_attempt_again_and_tell_the_last_failure) {
    EXPECT_EQ(on_both({"calls", of("flaky")}).attempts, "flaky1 flaky2 flaky3 ");
    auto few = of("crashes");
    few.attempts_max = 2;
    EXPECT_EQ(on_both({"calls", few}).attempts, "crashes1 crashes2 ");
    EXPECT_EQ(on_both({"ends_with_it", few}).status, run_status::failed);
}

TEST(both_engines, do_not_try_again_what_is_final) {
    EXPECT_EQ(on_both({"calls", of("refuses")}).attempts, "refuses1 ");
    EXPECT_EQ(on_both({"ends_with_it", of("refuses")}).status, run_status::failed);
    auto listed = of("crashes");
    listed.final_types = {"other", "crashed"};
    EXPECT_EQ(on_both({"calls", listed}).attempts, "crashes1 ");
}

TEST(both_engines, end_an_attempt_at_start_to_close) {
    auto c = of("hangs");
    c.start_to_close_ms = 3'000;
    c.attempts_max = 2;
    EXPECT_EQ(on_both({"calls", c}).attempts, "hangs1 hangs2 ");
    c.attempts_max = 0;
    c.final_types = {"start_to_close"};
    EXPECT_EQ(on_both({"ends_with_it", c}).attempts, "hangs1 ");
}

TEST(both_engines, end_an_attempt_whose_heartbeat_is_missing) {
    auto c = of("hangs");
    c.heartbeat_ms = 3'000;
    c.attempts_max = 2;
    EXPECT_EQ(on_both({"calls", c}).attempts, "hangs1 hangs2 ");
}

TEST(both_engines, end_all_attempts_at_schedule_to_close) {
    auto c = of("hangs");
    c.schedule_to_close_ms = 5'000;  // the attempt begins within it, on a busy machine too
    EXPECT_EQ(on_both({"calls", c}).attempts, "hangs1 ");
    // There is no time for another attempt.
    auto late = of("crashes");
    late.initial_ms = 600'000;
    late.schedule_to_close_ms = 30'000;
    EXPECT_EQ(on_both({"calls", late}).attempts, "crashes1 ");
}

TEST(both_engines, cancel_a_running_activity_and_wait_for_its_end) {
    EXPECT_EQ(on_both({"ends_with_it", of("stops"), cancelled::when_begun}).status,
              run_status::cancelled);
    on_both({"compensates", of("stops"), cancelled::when_begun});
}

TEST(both_engines, do_not_wait_for_an_activity_that_is_only_asked_to_end) {
    auto c = of("hangs");
    c.waits_for_cancellation = false;
    EXPECT_EQ(on_both({"gives_up", c, cancelled::never, {"1"}}).attempts, "hangs1 ");
}

TEST(both_engines, cancel_an_activity_that_waits_for_its_next_attempt) {
    auto c = of("crashes");
    c.initial_ms = 600'000;
    EXPECT_EQ(on_both({"ends_with_it", c, cancelled::in_backoff}).attempts, "crashes1 ");
}

TEST(both_engines, cancel_a_timer_and_a_wait_for_a_signal) {
    EXPECT_EQ(on_both({"sleeps", {}, cancelled::at_once}).status, run_status::cancelled);
}

TEST(both_engines, hand_signals_over_in_order_and_answer_queries_before_and_after_the_end) {
    const auto c = on_both({"listens", {}, cancelled::never, {"\"a\"", "\"b\""}});
    EXPECT_EQ(c.status, run_status::completed);
    ASSERT_EQ(c.answers.size(), 4u);
    EXPECT_EQ(c.answers[0], quoted("marked \"a\"?"));
    EXPECT_EQ(c.answers[2], quoted("marked \"a\"\"b\"!"));
}

TEST(both_engines, run_several_activities_at_once) {
    EXPECT_EQ(on_both({"fans_out", of("works")}).attempts, "works1 works1 works1 ");
}

}  // namespace
}  // namespace vora::durable
