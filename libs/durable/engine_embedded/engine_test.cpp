// The engine over a real file: restarts, crashes, many runs, workers that come and go.
#include "libs/durable/engine_embedded/engine.hpp"

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/history.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

class settable_clock final : public clock_source {
 public:
    timestamp now() const override { return system_.now() + offset; }
    milliseconds offset{0};

 private:
    system_clock_source system_;
};

activity_options options() {
    activity_options o;
    o.task_queue = "work";
    o.start_to_close_timeout = 10min;
    return o;
}

using definition = workflow<outcome<std::string>>;

// An activity, a signal, an activity.
definition before_and_after(context& ctx, std::string) {
    auto& stage = ctx.keep(std::string("before"));
    ctx.on_query("stage", [&stage](std::string) { return stage; });
    auto a = co_await ctx.call_raw("step", "before", options());
    if (!a) {
        co_return std::unexpected(a.error());
    }
    stage = "waiting";
    auto s = co_await ctx.next_signal("go");
    if (!s) {
        co_return std::unexpected(failure::cancelled());
    }
    stage = "after";
    auto b = co_await ctx.call_raw("step", "after", options());
    if (!b) {
        co_return std::unexpected(b.error());
    }
    co_return *a + *s + *b;
}

definition one_attempt(context& ctx, std::string) {
    auto o = options();
    o.retry.maximum_attempts = 1;
    o.heartbeat_timeout = 10s;
    auto r = co_await ctx.call_raw("long", "", o);
    co_return r;
}

// One data directory, opened and killed many times.
class engine_box {
 public:
    engine_box() {
        dir_ = std::filesystem::temp_directory_path() / ("vora-engine-" + random_hex(8));
        std::filesystem::create_directories(dir_);
        registry.add("before_and_after", before_and_after);
        registry.add("one_attempt", one_attempt);
        activities.add("step",
                       [this](activity_context&, std::string in) { return step(std::move(in)); });
    }
    ~engine_box() {
        if (engine) {
            close();
        }
        std::filesystem::remove_all(dir_);
    }

    result<void> open() {
        metrics = std::make_unique<obs::metrics>();
        engine_options.db_path = path();
        engine = std::make_unique<embedded_engine>(loop.executor(), pool, clock, registry,
                                                   engine_options, obs::logger(), *metrics);
        auto r = run(engine->start());
        if (!r) {
            engine.reset();
        }
        return r;
    }
    void work(std::size_t concurrency = 4) {
        worker = std::make_unique<activity_worker>(
            loop.executor(), *engine, activities,
            activity_worker_options{
                .task_queue = "work", .concurrency = concurrency, .graceful_stop = 50ms},
            obs::logger());
        worker->start();
    }
    void open_and_work() {
        ASSERT_TRUE(open());
        work();
    }
    // As kill -9 would leave it.
    void kill() {
        run(engine->abandon());
        if (worker) {
            run(worker->stop());
        }
        worker.reset();
        engine.reset();
    }
    void close() {
        if (worker) {
            run(worker->stop());
        }
        run(engine->stop());
        worker.reset();
        engine.reset();
    }

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    result<std::string> start(const std::string& id, const std::string& type = "before_and_after") {
        return run(engine->start(start_request{id, type, "vora", "{}"}));
    }
    run_description describe(const std::string& id) { return run(engine->describe(id)).value(); }
    // Conditions use run() themselves, so they are looked at from outside the loop.
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            run(sleep_for(1ms));
        }
        return true;
    }
    bool closed(const std::string& id) {
        return until([&] { return describe(id).status != run_status::running; });
    }
    std::string stage(const std::string& id) {
        auto r = run(engine->query(id, "stage", ""));
        return r ? *r : r.error().reason;
    }
    std::string path() const { return (dir_ / "workflow.db").string(); }

    event_loop loop;
    blocking_pool pool{2};
    settable_clock clock;
    std::unique_ptr<obs::metrics> metrics;
    workflow_registry registry;
    activity_registry activities;
    embedded_engine_options engine_options;
    std::unique_ptr<embedded_engine> engine;
    std::unique_ptr<activity_worker> worker;
    std::vector<std::string> steps;

 private:
    task<outcome<std::string>> step(std::string in) {
        steps.push_back(in);
        co_return "[" + in + "]";
    }

    std::filesystem::path dir_;
};

TEST(embedded_engine_file, a_workflow_goes_on_where_it_was_after_a_kill) {
    engine_box box;
    box.open_and_work();
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.until([&] { return box.stage("v1") == "waiting"; }));
    box.kill();
    box.open_and_work();
    EXPECT_EQ(box.stage("v1"), "waiting");
    ASSERT_TRUE(box.run(box.engine->signal("v1", "go", "+")));
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
    EXPECT_EQ(box.steps, (std::vector<std::string>{"before", "after"}));
}

TEST(embedded_engine_file, a_signal_that_was_acknowledged_survives_a_kill) {
    engine_box box;
    ASSERT_TRUE(box.open());  // without a worker
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.run(box.engine->signal("v1", "go", "kept")));
    box.kill();
    box.open_and_work();
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.steps.size(), 2u);
}

TEST(embedded_engine_file, a_killed_attempt_is_tried_again_at_once_and_does_not_count) {
    engine_box box;
    std::vector<activity_info> seen;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           seen.push_back(ctx.info());
                           if (seen.size() > 2) {
                               co_return "done";
                           }
                           ctx.heartbeat(R"({"segment":)" + std::to_string(seen.size()) + "}");
                           co_await sleep_for(1h);
                           co_return "never";
                       });
    box.open_and_work();
    ASSERT_TRUE(box.start("v1", "one_attempt"));
    for (const char* details : {R"({"segment":1})", R"({"segment":2})"}) {
        ASSERT_TRUE(box.until([&] {
            const auto pending = box.describe("v1").pending_activities;
            return pending.size() == 1 && pending[0].heartbeat_details == details;
        }));
        // The heartbeat is in the file when a later change is.
        ASSERT_TRUE(box.run(box.engine->signal("v1", "noted", "")));
        box.kill();
        box.open_and_work();
    }
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[2].attempt, 3);
    EXPECT_EQ(seen[2].heartbeat_details, R"({"segment":2})");
}

TEST(embedded_engine_file, an_activity_that_kills_its_process_again_and_again_fails) {
    engine_box box;
    int attempts = 0;
    box.activities.add("long", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        ++attempts;
        co_await sleep_for(1h);
        co_return "never";
    });
    box.open_and_work();
    ASSERT_TRUE(box.start("v1", "one_attempt"));
    for (int i = 1; i <= 5; ++i) {
        ASSERT_TRUE(box.until([&] { return attempts == i; })) << i;
        box.kill();
        box.open_and_work();
    }
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::failed);
    EXPECT_EQ(box.describe("v1").last_failure->root().type, "worker_lost");
    EXPECT_EQ(attempts, 5);
}

TEST(embedded_engine_file, a_worker_that_stops_hands_its_attempt_back) {
    engine_box box;
    int attempts = 0;
    box.activities.add("long",
                       [&](activity_context& ctx, std::string) -> task<outcome<std::string>> {
                           if (++attempts == 2) {
                               co_return ctx.info().heartbeat_details;
                           }
                           ctx.heartbeat("\"half\"");
                           while (!ctx.is_cancelled()) {
                               co_await sleep_for(1ms);
                           }
                           co_return std::unexpected(failure::cancelled());
                       });
    box.open_and_work();
    ASSERT_TRUE(box.start("v1", "one_attempt"));
    ASSERT_TRUE(box.until([&] { return attempts == 1; }));
    box.close();
    box.open_and_work();
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(attempts, 2);
    const auto text = box.run(box.engine->history("v1")).value();
    EXPECT_EQ(history_from_json(text)->back().payload, "\"half\"");
}

TEST(embedded_engine_file, an_activity_that_ignores_the_stop_is_cancelled_and_handed_back) {
    engine_box box;
    int attempts = 0;
    box.activities.add("long", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        if (++attempts == 2) {
            co_return "done";
        }
        co_await sleep_for(1h);
        co_return "never";
    });
    box.open_and_work();
    ASSERT_TRUE(box.start("v1", "one_attempt"));
    ASSERT_TRUE(box.until([&] { return attempts == 1; }));
    box.close();
    box.open_and_work();
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
}

TEST(embedded_engine_file, a_workflow_id_starts_once_ever) {
    engine_box box;
    box.open_and_work();
    ASSERT_TRUE(box.start("v1"));
    EXPECT_EQ(box.start("v1").error().code, errc::already_exists);
    ASSERT_TRUE(box.run(box.engine->signal("v1", "go", "")));
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.start("v1").error().reason, "workflow_already_started");
    box.kill();
    box.open_and_work();
    EXPECT_EQ(box.start("v1").error().code, errc::already_exists);
}

TEST(embedded_engine_file, old_histories_are_dropped_but_their_ids_stay_known) {
    engine_box box;
    box.open_and_work();
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.run(box.engine->signal("v1", "go", "")));
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.stage("v1"), "after");
    box.clock.offset = 24h * 31;
    ASSERT_TRUE(box.until([&] { return box.stage("v1") == "history_dropped"; }));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
    EXPECT_EQ(box.start("v1").error().code, errc::already_exists);
}

TEST(embedded_engine_file, terminate_ends_a_run_without_its_code) {
    engine_box box;
    ASSERT_TRUE(box.open());
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.run(box.engine->terminate("v1", "operator")));
    EXPECT_EQ(box.describe("v1").status, run_status::terminated);
    EXPECT_EQ(box.describe("v1").last_failure->message, "operator");
    EXPECT_TRUE(box.run(box.engine->terminate("v1", "again")));
    EXPECT_TRUE(box.run(box.engine->cancel("v1")));
    box.kill();
    box.open_and_work();
    EXPECT_EQ(box.describe("v1").status, run_status::terminated);
    EXPECT_TRUE(box.steps.empty());
}

TEST(embedded_engine_file, unknown_ids_and_types_are_errors) {
    engine_box box;
    ASSERT_TRUE(box.open());
    EXPECT_EQ(box.start("v1", "no_such_type").error().reason, "unknown_workflow_type");
    EXPECT_EQ(box.run(box.engine->describe("v1")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->signal("v1", "go", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->query("v1", "stage", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->cancel("v1")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->heartbeat("nonsense", "")).error().code, errc::not_found);
    EXPECT_EQ(box.run(box.engine->complete("a:1:1", "x")).error().code, errc::not_found);
    const std::string large(payload_bytes_max + 1, 'x');
    EXPECT_EQ(box.run(box.engine->start({"v1", "one_attempt", "vora", large})).error().reason,
              "payload_too_large");
    EXPECT_EQ(box.run(box.engine->signal("v1", "go", large)).error().reason, "payload_too_large");
}

TEST(embedded_engine_file, a_hundred_workflows_at_once_all_end) {
    engine_box box;
    box.open_and_work();
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(box.start("v" + std::to_string(i)));
    }
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(box.run(box.engine->signal("v" + std::to_string(i), "go", "")));
    }
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(box.closed("v" + std::to_string(i)));
    }
    EXPECT_EQ(box.steps.size(), 200u);
}

TEST(embedded_engine_file, runs_beyond_the_cache_are_replayed) {
    engine_box box;
    box.engine_options.cached_runs_max = 2;
    box.open_and_work();
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(box.start("v" + std::to_string(i)));
    }
    for (int i = 0; i < 10; ++i) {
        const auto id = "v" + std::to_string(i);
        ASSERT_TRUE(box.until([&] { return box.stage(id) == "waiting"; })) << id;
        ASSERT_TRUE(box.run(box.engine->signal(id, "go", "")));
        ASSERT_TRUE(box.closed(id));
        EXPECT_EQ(box.describe(id).status, run_status::completed);
    }
    EXPECT_EQ(box.steps.size(), 20u);
}

definition sleeps_first(context& ctx, std::string) {
    auto fired = co_await ctx.sleep(1ms);
    auto s = co_await ctx.next_signal("go");
    co_return (fired && s) ? "slept" : "no";
}

TEST(embedded_engine_file, changed_code_leaves_the_run_open_for_the_right_code) {
    engine_box box;
    box.open_and_work();
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.until([&] { return box.stage("v1") == "waiting"; }));
    box.close();
    box.registry.add("before_and_after", sleeps_first);
    box.open_and_work();
    EXPECT_EQ(box.stage("v1"), "workflow_task_failing");
    ASSERT_TRUE(box.run(box.engine->signal("v1", "go", "")));
    EXPECT_EQ(box.describe("v1").status, run_status::running);
    EXPECT_NE(box.metrics->expose().find("vora_durable_workflow_task_failures_total 1"),
              std::string::npos);
    box.close();
    box.registry.add("before_and_after", before_and_after);
    box.open_and_work();
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
}

TEST(embedded_engine_file, a_stopped_engine_is_unavailable) {
    engine_box box;
    ASSERT_TRUE(box.open());
    box.run(box.engine->stop());
    EXPECT_EQ(box.start("v1").error().code, errc::unavailable);
    EXPECT_EQ(box.run(box.engine->poll("work")).error().code, errc::unavailable);
    EXPECT_EQ(box.run(box.engine->describe("v1")).error().code, errc::unavailable);
    box.engine.reset();
}

TEST(embedded_engine_file, an_unusable_file_is_an_error_at_the_start) {
    engine_box box;
    std::ofstream(box.path()) << std::string(8192, 'x');
    const auto r = box.open();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "workflow_store_failed");
}

TEST(embedded_engine_file, a_poll_without_a_task_ends_after_a_while) {
    engine_box box;
    box.engine_options.poll_timeout = 5ms;
    ASSERT_TRUE(box.open());
    const auto r = box.run(box.engine->poll("work"));
    ASSERT_TRUE(r);
    EXPECT_FALSE(*r);
}

TEST(embedded_engine_file, tasks_of_a_queue_come_in_the_order_they_were_scheduled) {
    engine_box box;
    ASSERT_TRUE(box.open());
    for (const char* id : {"c", "a", "b"}) {
        ASSERT_TRUE(box.start(id));
        ASSERT_TRUE(box.until([&] { return !box.describe(id).pending_activities.empty(); }));
    }
    std::string order;
    for (int i = 0; i < 3; ++i) {
        order += box.run(box.engine->poll("work")).value().value().info.workflow_id;
    }
    EXPECT_EQ(order, "cab");
}

task<> poll_once(embedded_engine& e, bool& polled) {
    auto r = co_await e.poll("work");
    polled = true;
}

TEST(embedded_engine_file, a_cancelled_poll_gives_its_task_back) {
    engine_box box;
    ASSERT_TRUE(box.open());
    ASSERT_TRUE(box.start("v1"));
    ASSERT_TRUE(box.until([&] { return !box.describe("v1").pending_activities.empty(); }));
    bool polled = false;
    task_group group(box.loop.executor());
    group.spawn(poll_once(*box.engine, polled));
    box.run(group.stop());  // while the start of the attempt is being committed
    EXPECT_FALSE(polled);
    const auto r = box.run(box.engine->poll("work"));
    EXPECT_EQ(r.value().value().info.type, "step");
    EXPECT_EQ(r.value().value().info.attempt, 1);
}

TEST(embedded_engine_file, a_late_result_of_an_old_attempt_changes_nothing) {
    engine_box box;
    ASSERT_TRUE(box.open());
    ASSERT_TRUE(box.start("v1"));
    const auto first = box.run(box.engine->poll("work")).value().value();
    ASSERT_TRUE(box.run(box.engine->complete(first.task_token,
                                             std::unexpected(failure::application("flaky", "")))));
    EXPECT_EQ(box.run(box.engine->complete(first.task_token, "late")).error().code,
              errc::not_found);
    EXPECT_EQ(box.run(box.engine->heartbeat(first.task_token, "")).error().code, errc::not_found);
    const auto second = box.run(box.engine->poll("work")).value().value();
    EXPECT_EQ(second.info.attempt, 2);
    ASSERT_TRUE(box.run(box.engine->complete(second.task_token, "ok")));
    EXPECT_EQ(box.run(box.engine->complete(second.task_token, "twice")).error().code,
              errc::not_found);
}

TEST(embedded_engine_file, a_failing_file_delays_and_loses_nothing) {
    engine_box box;
    box.open_and_work();
    SQLite::Database other(box.path(), SQLite::OPEN_READWRITE);
    other.setBusyTimeout(5'000);
    other.exec(
        "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.type = 'activity_task_scheduled'"
        " BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    ASSERT_TRUE(box.start("v1"));  // its first task cannot be committed
    const auto refused = box.run(box.engine->signal("v1", "other", ""));
    EXPECT_TRUE(refused || refused.error().code == errc::unavailable);
    EXPECT_TRUE(box.steps.empty());
    EXPECT_EQ(box.describe("v1").status, run_status::running);
    other.exec("DROP TRIGGER full");
    ASSERT_TRUE(box.until([&] { return box.run(box.engine->signal("v1", "go", "")).has_value(); }));
    ASSERT_TRUE(box.closed("v1"));
    EXPECT_EQ(box.describe("v1").status, run_status::completed);
    EXPECT_EQ(box.steps.size(), 2u);
}

}  // namespace
}  // namespace vora::durable
