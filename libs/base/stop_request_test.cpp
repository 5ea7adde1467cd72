#include "libs/base/stop_request.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vora {
namespace {

using namespace std::chrono_literals;

task<> stop_group(task_group& g) {
    co_await g.stop();
}

task<> turn_loop() {
    co_await sleep_for(2ms);
}

task<result<std::size_t>> never() {
    co_await sleep_for(1h);
    co_return std::size_t{1};
}

task<> shielded(stop_request& stop, std::vector<std::string>& log) {
    co_await stop.begin_shield();
    auto r = co_await stop.guard(never());
    log.push_back(r ? "read" : r.error().reason);
    co_await sleep_for(5ms);  // storing: must run to its end though the coroutine was cancelled
    log.push_back("stored");
    co_await stop.end_shield();
    log.push_back("not reached");
}

TEST(stop_request, a_cancelled_coroutine_still_stores_and_ends_as_cancelled) {
    event_loop loop;
    task_group group(loop.executor());
    stop_request stop;
    std::vector<std::string> log;
    group.spawn(shielded(stop, log));
    loop.run_until_done(turn_loop());
    loop.run_until_done(stop_group(group));
    EXPECT_EQ(log, (std::vector<std::string>{"stop_requested", "stored"}));
    EXPECT_EQ(stop.asked(), stop_request::reason::cancelled);
}

TEST(stop_request, asking_ends_a_wait_that_is_on_its_way_and_every_later_one) {
    event_loop loop;
    task_group group(loop.executor());
    stop_request stop;
    std::vector<std::string> log;
    group.spawn(shielded(stop, log));
    loop.run_until_done(turn_loop());
    stop.ask(stop_request::reason::taken_over);
    loop.run_until_done(turn_loop());
    ASSERT_FALSE(log.empty());
    EXPECT_EQ(log[0], "stop_requested");
    EXPECT_FALSE(loop.run_until_done(stop.guard(never())).has_value());
    loop.run_until_done(stop_group(group));
}

}  // namespace
}  // namespace vora
