// What makes requests wait for each other: the byte budget and the locks.

#include "services/upload/core/byte_budget.hpp"
#include "services/upload/core/upload_locks.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vora::upload {
namespace {

using namespace std::chrono_literals;
using kind = byte_budget::kind;

task<> stop_group(task_group& g) {
    co_await g.stop();
}

task<> turn_loop() {
    co_await sleep_for(2ms);
}

task<> take_into(byte_budget& budget, std::uint64_t bytes, int name, std::vector<int>& order,
                 std::vector<byte_budget::lease>& kept) {
    auto l = co_await budget.take(bytes, kind::first, 1h);
    if (l) {
        order.push_back(name);
        kept.push_back(std::move(*l));
    }
}

TEST(byte_budget, waiters_are_served_in_order_when_bytes_come_back) {
    event_loop loop;
    byte_budget budget(loop.executor(), 100);
    task_group group(loop.executor());
    std::vector<int> order;
    std::vector<byte_budget::lease> kept;
    auto first = loop.run_until_done(budget.take(80, kind::first, 1h));
    ASSERT_TRUE(first.has_value());
    group.spawn(take_into(budget, 60, 1, order, kept));
    group.spawn(take_into(budget, 10, 2, order, kept));
    loop.run_until_done(turn_loop());
    EXPECT_TRUE(order.empty()) << "the small one must not overtake";
    *first = byte_budget::lease();
    loop.run_until_done(turn_loop());
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    EXPECT_EQ(budget.used_bytes(), 70u);
    kept.clear();
    EXPECT_EQ(budget.used_bytes(), 0u);
    loop.run_until_done(stop_group(group));
}

TEST(byte_budget, the_reserve_is_for_those_that_hold_nothing) {
    event_loop loop;
    byte_budget budget(loop.executor(), 100, 25);
    auto grown = loop.run_until_done(budget.take(75, kind::more, 1ms));
    ASSERT_TRUE(grown.has_value());
    auto more = loop.run_until_done(budget.take(1, kind::more, 1ms));
    EXPECT_FALSE(more.has_value());
    auto first = loop.run_until_done(budget.take(25, kind::first, 1ms));
    EXPECT_TRUE(first.has_value());
}

TEST(byte_budget, a_waiter_that_is_cancelled_leaves_nothing_behind) {
    event_loop loop;
    byte_budget budget(loop.executor(), 100);
    std::vector<int> order;
    std::vector<byte_budget::lease> kept;
    auto all = loop.run_until_done(budget.take(100, kind::first, 1h));
    task_group group(loop.executor());
    group.spawn(take_into(budget, 50, 1, order, kept));
    loop.run_until_done(turn_loop());
    loop.run_until_done(stop_group(group));
    *all = byte_budget::lease();
    EXPECT_EQ(budget.used_bytes(), 0u);
    EXPECT_TRUE(loop.run_until_done(budget.take(100, kind::first, 1ms)).has_value());
}

task<> hold(upload_locks& locks, upload_id id, std::vector<std::string>& log, std::string name) {
    auto l = co_await locks.take(id, 1h);
    log.push_back(name + " holds");
    while (l->stop().asked() == stop_request::reason::none) {
        co_await sleep_for(1ms);
    }
    log.push_back(name + " lets go");
}

TEST(upload_locks, a_newcomer_makes_the_holder_stop_and_the_latest_stays) {
    event_loop loop;
    upload_locks locks(loop.executor());
    task_group group(loop.executor());
    std::vector<std::string> log;
    const upload_id id{"x"};
    for (const auto* name : {"a", "b", "c"}) {
        group.spawn(hold(locks, id, log, name));
    }
    while (log.size() < 5) {
        loop.run_until_done(turn_loop());
    }
    EXPECT_EQ(
        log, (std::vector<std::string>{"a holds", "a lets go", "b holds", "b lets go", "c holds"}));
    loop.run_until_done(stop_group(group));
    EXPECT_FALSE(locks.is_held(id));
}

TEST(upload_locks, a_holder_that_does_not_let_go_is_waited_for_only_so_long) {
    event_loop loop;
    upload_locks locks(loop.executor());
    const upload_id id{"x"};
    {
        auto holder = loop.run_until_done(locks.take(id, 1ms));
        auto other = loop.run_until_done(locks.take(id, 1ms));
        ASSERT_FALSE(other.has_value());
        EXPECT_EQ(other.error().reason, "upload_busy");
        EXPECT_TRUE(loop.run_until_done(locks.take(upload_id{"y"}, 1ms)).has_value());
    }
    EXPECT_TRUE(loop.run_until_done(locks.take(id, 1ms)).has_value());
}

}  // namespace
}  // namespace vora::upload
