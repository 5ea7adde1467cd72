#include "libs/base/async.hpp"

#include <gtest/gtest.h>

namespace vora {
namespace {

using namespace std::chrono_literals;

task<result<int>> slow_answer(std::chrono::milliseconds wait) {
    co_await sleep_for(wait);
    co_return 7;
}

task<> count_forever(int& rounds) {
    for (;;) {
        ++rounds;
        co_await sleep_for(1ms);
    }
}

task<> stop_group(task_group& group) {
    co_await group.stop();
}

TEST(event_loop, runs_a_coroutine_to_its_result) {
    event_loop loop;
    auto r = loop.run_until_done(slow_answer(1ms));
    ASSERT_TRUE(r.has_value());
    EXPECT_EQ(*r, 7);
}

TEST(with_deadline, ends_a_slow_coroutine_with_an_error) {
    event_loop loop;
    auto r = loop.run_until_done(with_deadline(slow_answer(1h), 5ms));
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, errc::deadline_exceeded);
}

TEST(with_deadline, passes_a_fast_answer_through) {
    event_loop loop;
    auto r = loop.run_until_done(with_deadline(slow_answer(1ms), 1h));
    ASSERT_TRUE(r.has_value());
}

TEST(task_group, stop_ends_every_coroutine) {
    event_loop loop;
    task_group group(loop.executor());
    int rounds = 0;
    group.spawn(count_forever(rounds));
    group.spawn(count_forever(rounds));
    EXPECT_EQ(group.size(), 2u);
    loop.run_until_done(stop_group(group));
    EXPECT_EQ(group.size(), 0u);
}

task<result<int>> deadline_inside() {
    co_return co_await with_deadline(slow_answer(1h), 1h);
}

task<> wait_inside(bool& ended) {
    struct mark {
        bool& flag;
        ~mark() { flag = true; }
    } on_exit{ended};
    auto r = co_await deadline_inside();
    (void)r;
}

TEST(task_group, stop_reaches_through_a_deadline) {
    event_loop loop;
    task_group group(loop.executor());
    bool ended = false;
    group.spawn(wait_inside(ended));
    loop.run_until_done(slow_answer(2ms));
    loop.run_until_done(stop_group(group));
    EXPECT_TRUE(ended);
}

task<int> from_pool(blocking_pool& pool) {
    co_return co_await pool.run([] { return 5; });
}

TEST(blocking_pool, answers_on_the_callers_loop) {
    event_loop loop;
    blocking_pool pool(1);
    EXPECT_EQ(loop.run_until_done(from_pool(pool)), 5);
}

task<> work_for_ever(blocking_pool& pool, int& rounds) {
    for (;;) {
        co_await pool.run([&rounds] { ++rounds; });
    }
}

TEST(blocking_pool, a_coroutine_that_is_cancelled_while_on_the_pool_ends_after_the_call) {
    event_loop loop;
    blocking_pool pool(2);
    for (int i = 0; i < 200; ++i) {
        task_group group(loop.executor());
        int rounds[4] = {};
        for (auto& r : rounds) {
            group.spawn(work_for_ever(pool, r));
        }
        loop.run_until_done(slow_answer(1ms));
        loop.run_until_done(stop_group(group));
        EXPECT_GT(rounds[0], 0);
    }
}

task<bool> wait_for(wake_signal& signal, std::chrono::milliseconds limit) {
    co_return co_await signal.wait(limit);
}

TEST(wake_signal, remembers_a_notification_sent_before_the_wait) {
    event_loop loop;
    wake_signal signal(loop.executor());
    signal.notify();
    EXPECT_TRUE(loop.run_until_done(wait_for(signal, 1h)));
    EXPECT_FALSE(loop.run_until_done(wait_for(signal, 1ms)));
}

}  // namespace
}  // namespace vora
