#include "libs/durable/worker/activity.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;

// A source with levers.
class fake_source final : public activity_source {
 public:
    explicit fake_source(executor ex) : more_(ex) {}

    task<result<std::optional<activity_task>>> poll(std::string) override {
        if (poll_errors > 0) {
            --poll_errors;
            co_return fail(errc::unavailable, "away");
        }
        while (tasks.empty()) {
            co_await more_.wait(1h);
        }
        auto t = std::move(tasks.front());
        tasks.pop_front();
        co_return t;
    }
    task<result<bool>> heartbeat(std::string, std::string details) override {
        heartbeats.push_back(std::move(details));
        if (over) {
            co_return fail(errc::not_found, "attempt_over");
        }
        co_return cancel_requested;
    }
    task<result<void>> complete(std::string token, outcome<std::string> r) override {
        if (complete_errors > 0) {
            --complete_errors;
            co_return fail(errc::unavailable, "away");
        }
        ended.emplace_back(std::move(token), std::move(r));
        co_return result<void>{};
    }

    void add(const std::string& type, milliseconds start_to_close = 1h) {
        activity_task t;
        t.task_token = "t" + std::to_string(++added_);
        t.info.type = type;
        t.heartbeat_timeout = 50ms;  // throttle: 40 ms
        t.start_to_close_timeout = start_to_close;
        tasks.push_back(std::move(t));
        more_.notify();
    }

    std::deque<activity_task> tasks;
    std::vector<std::string> heartbeats;
    std::vector<std::pair<std::string, outcome<std::string>>> ended;
    bool cancel_requested = false;
    bool over = false;
    int poll_errors = 0;
    int complete_errors = 0;

 private:
    wake_signal more_;
    int added_ = 0;
};

class activity_worker_test : public testing::Test {
 protected:
    ~activity_worker_test() override {
        if (worker_) {
            stop();
        }
    }
    void start(std::size_t concurrency = 1, milliseconds graceful_stop = 20ms) {
        worker_ = std::make_unique<activity_worker>(
            loop.executor(), source, activities,
            activity_worker_options{
                .task_queue = "q", .concurrency = concurrency, .graceful_stop = graceful_stop},
            obs::logger());
        worker_->start();
    }
    void stop() {
        loop.run_until_done(worker_->stop());
        worker_.reset();
    }
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            loop.run_until_done(sleep_for(1ms));
        }
        return true;
    }
    std::string failure_of(std::size_t i) {
        return source.ended.at(i).second ? "none" : source.ended[i].second.error().type;
    }

    event_loop loop;
    fake_source source{loop.executor()};
    activity_registry activities;

 private:
    std::unique_ptr<activity_worker> worker_;
};

TEST_F(activity_worker_test, runs_an_activity_and_reports_its_result) {
    activities.add("a", [](activity_context&, std::string) -> task<outcome<std::string>> {
        co_return "done";
    });
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(source.ended[0].second.value(), "done");
}

TEST_F(activity_worker_test, never_runs_more_than_its_concurrency) {
    int running = 0;
    int most = 0;
    activities.add("a", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        most = std::max(most, ++running);
        co_await sleep_for(2ms);
        --running;
        co_return "";
    });
    for (int i = 0; i < 12; ++i) {
        source.add("a");
    }
    start(3);
    ASSERT_TRUE(until([&] { return source.ended.size() == 12; }));
    EXPECT_EQ(most, 3);
}

TEST_F(activity_worker_test, an_exception_is_a_retryable_internal_error) {
    activities.add("a", [](activity_context&, std::string) -> task<outcome<std::string>> {
        throw std::runtime_error("oops");
        co_return "";
    });
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(failure_of(0), "internal_error");
    EXPECT_FALSE(source.ended[0].second.error().non_retryable);
}

TEST_F(activity_worker_test, an_unknown_activity_fails) {
    source.add("missing");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(failure_of(0), "activity_not_registered");
}

struct number {
    int value = 0;
    NLOHMANN_DEFINE_TYPE_INTRUSIVE(number, value)
};

TEST_F(activity_worker_test, an_input_that_does_not_fit_is_not_retried) {
    activities.add(activity_type<number, number>{"a", "q"},
                   [](activity_context&, number n) -> task<outcome<number>> { co_return n; });
    source.add("a");
    source.tasks.back().input = "not json";
    source.add("a");
    source.tasks.back().input = R"({"value":4})";
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 2; }));
    EXPECT_EQ(failure_of(0), "bad_input");
    EXPECT_TRUE(source.ended[0].second.error().non_retryable);
    EXPECT_EQ(source.ended[1].second.value(), R"({"value":4})");
}

TEST_F(activity_worker_test, many_heartbeats_become_few_and_the_last_is_kept) {
    activities.add("a", [](activity_context& ctx, std::string) -> task<outcome<std::string>> {
        for (int i = 0; i < 1'000; ++i) {
            ctx.heartbeat(std::to_string(i));
        }
        co_await sleep_for(5ms);
        ctx.heartbeat("last");
        co_return std::unexpected(failure::application("failed", ""));
    });
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(source.heartbeats, (std::vector<std::string>{"999", "last"}));
}

task<outcome<std::string>> until_cancelled(activity_context& ctx, std::string) {
    while (!ctx.is_cancelled()) {
        ctx.heartbeat("alive");
        co_await sleep_for(1ms);
    }
    co_return std::unexpected(failure::cancelled());
}

TEST_F(activity_worker_test, a_cancellation_request_reaches_the_activity) {
    activities.add("a", until_cancelled);
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return !source.heartbeats.empty(); }));
    source.cancel_requested = true;
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(failure_of(0), "cancelled");
}

TEST_F(activity_worker_test, an_attempt_that_is_over_elsewhere_is_told_to_end) {
    source.over = true;
    activities.add("a", until_cancelled);
    source.add("a");
    start();
    EXPECT_TRUE(until([&] { return source.ended.size() == 1; }));
}

TEST_F(activity_worker_test, stop_asks_running_activities_to_end) {
    activities.add("a", until_cancelled);
    source.add("a");
    start(1, 1h);
    ASSERT_TRUE(until([&] { return !source.heartbeats.empty(); }));
    stop();
    ASSERT_EQ(source.ended.size(), 1u);
    EXPECT_EQ(failure_of(0), "cancelled");
}

TEST_F(activity_worker_test, stop_cancels_an_activity_that_does_not_listen) {
    bool destroyed = false;
    activities.add("a", [&](activity_context&, std::string) -> task<outcome<std::string>> {
        struct mark {
            bool& flag;
            ~mark() { flag = true; }
        } on_exit{destroyed};
        co_await sleep_for(1h);
        co_return "";
    });
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.tasks.empty(); }));
    stop();
    EXPECT_TRUE(destroyed);
    ASSERT_EQ(source.ended.size(), 1u);
    EXPECT_EQ(failure_of(0), "cancelled");
}

TEST_F(activity_worker_test, an_attempt_beyond_its_time_frees_its_slot) {
    activities.add("hangs", [](activity_context&, std::string) -> task<outcome<std::string>> {
        co_await sleep_for(1h);
        co_return "";
    });
    activities.add("a", [](activity_context&, std::string) -> task<outcome<std::string>> {
        co_return "done";
    });
    source.add("hangs", 10ms);
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 2; }));
    EXPECT_EQ(source.ended[1].second.value(), "done");
}

TEST_F(activity_worker_test, a_source_that_is_away_is_asked_again) {
    source.poll_errors = 2;
    source.complete_errors = 2;
    activities.add("a", [](activity_context&, std::string) -> task<outcome<std::string>> {
        co_return "done";
    });
    source.add("a");
    start();
    ASSERT_TRUE(until([&] { return source.ended.size() == 1; }));
    EXPECT_EQ(source.ended[0].second.value(), "done");
}

}  // namespace
}  // namespace vora::durable
