// kill -9 for real: a child process runs engine, workflow and worker on one file and is killed at
// seeded random moments and at every commit boundary. Whatever happened, the workflow ends once and
// each of its effects took place.
#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/durable/engine_embedded/history.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

std::string program;  // of this test

activity_options options() {
    activity_options o;
    o.task_queue = "work";
    o.start_to_close_timeout = 1min;
    o.retry.initial_interval = 5ms;
    return o;
}

// Steps in sequence, a fan-out, timers, a retried step: "s1".."s4", "p0".."p4", "flaky", "last".
workflow<outcome<std::string>> many_steps(context& ctx, std::string) {
    for (const char* name : {"s1", "s2", "s3", "s4"}) {
        auto r = co_await ctx.call_raw("step", name, options());
        auto slept = co_await ctx.sleep(30ms);
        if (!r || !slept) {
            co_return std::unexpected(failure::application("step_failed", name));
        }
    }
    std::vector<activity_future> parts;
    for (int i = 0; i < 5; ++i) {
        parts.push_back(ctx.call_raw("step", "p" + std::to_string(i), options()));
    }
    auto pause = ctx.sleep(80ms);
    for (auto& part : parts) {
        auto r = co_await part;
        if (!r) {
            co_return std::unexpected(r.error());
        }
    }
    auto paused = co_await pause;
    auto flaky = co_await ctx.call_raw("flaky", "flaky", options());
    auto last = co_await ctx.call_raw("step", "last", options());
    co_return (paused && flaky && last) ? "complete" : "incomplete";
}

const std::set<std::string> all_effects{"s1", "s2", "s3", "s4",    "p0",  "p1",
                                        "p2", "p3", "p4", "flaky", "last"};

// One write, as an activity's effect on the outside world.
void leave_effect(const std::string& path, const std::string& name) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const std::string line = name + "\n";
    if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        std::abort();
    }
    ::close(fd);
}

struct world {
    explicit world(const std::string& dir)
        : engine(loop.executor(), pool, clock, registry(),
                 embedded_engine_options{.db_path = dir + "/workflow.db",
                                         .cached_runs_max = 100,
                                         .open_runs_max = 100,
                                         .poll_timeout = 20s,
                                         .retention = 24h,
                                         .lost_attempts_max = 1'000},
                 obs::logger(), metrics),
          worker(
              loop.executor(), engine, activities(dir + "/effects"),
              activity_worker_options{.task_queue = "work", .concurrency = 2, .graceful_stop = 1s},
              obs::logger()) {}

    static workflow_registry registry() {
        workflow_registry r;
        r.add("many_steps", many_steps);
        return r;
    }
    static activity_registry activities(std::string effects) {
        activity_registry r;
        r.add("step", [effects](activity_context&, std::string in) -> task<outcome<std::string>> {
            co_await sleep_for(3ms);
            leave_effect(effects, in);
            co_await sleep_for(3ms);
            co_return in;
        });
        r.add("flaky",
              [effects](activity_context& ctx, std::string in) -> task<outcome<std::string>> {
                  if (ctx.info().attempt < 3) {
                      co_return std::unexpected(failure::application("flaky", ""));
                  }
                  leave_effect(effects, in);
                  co_return in;
              });
        return r;
    }

    event_loop loop;
    blocking_pool pool{2};
    system_clock_source clock;
    obs::metrics metrics;
    embedded_engine engine;
    activity_worker worker;
};

task<bool> run_child(world& w) {
    auto opened = co_await w.engine.start();
    if (!opened) {
        std::fprintf(stderr, "open: %s\n", opened.error().detail.c_str());
        co_return false;
    }
    auto started = co_await w.engine.start(start_request{"v1", "many_steps", "vora", "{}"});
    if (!started && started.error().code != errc::already_exists) {
        co_return false;
    }
    w.worker.start();
    for (;;) {
        auto d = co_await w.engine.describe("v1");
        if (d && d->status != run_status::running) {
            break;
        }
        co_await sleep_for(1ms);
    }
    co_await w.worker.stop();
    co_await w.engine.stop();
    co_return true;
}

task<std::string> read_history(world& w) {
    auto opened = co_await w.engine.start();
    auto text = co_await w.engine.history("v1");
    co_await w.engine.stop();
    co_return (opened && text) ? *text : std::string();
}

int child_main(const std::string& dir) {
    world w(dir);
    return w.loop.run_until_done(run_child(w)) ? 0 : 1;
}

class process_killer : public testing::Test {
 protected:
    process_killer() : dir_(fs::temp_directory_path() / ("vora-kill-" + random_hex(8))) {
        fs::create_directories(dir_);
    }
    ~process_killer() override { fs::remove_all(dir_); }

    pid_t spawn(const std::string& fault_point = {}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            if (!fault_point.empty()) {
                ::setenv("VORA_FAULT_POINT", fault_point.c_str(), 1);
            }
            ::execl(program.c_str(), program.c_str(), "--child", dir_.c_str(), nullptr);
            ::_exit(127);
        }
        return pid;
    }
    // True when the child ended by itself, well.
    static bool wait(pid_t pid) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    // False when it had ended before.
    bool run_and_kill_after(std::chrono::microseconds time) {
        const pid_t pid = spawn();
        ::usleep(static_cast<useconds_t>(time.count()));
        ::kill(pid, SIGKILL);
        return !wait(pid);
    }

    void expect_complete() {
        world w(dir_.string());
        const auto events = history_from_json(w.loop.run_until_done(read_history(w)));
        ASSERT_TRUE(events);
        EXPECT_EQ(std::ranges::count(*events, event_type::workflow_execution_completed,
                                     &history_event::type),
                  1);
        ASSERT_FALSE(events->empty());
        EXPECT_EQ(events->back().payload, "complete");
        for (std::size_t i = 0; i < events->size(); ++i) {
            EXPECT_EQ((*events)[i].id, static_cast<std::int64_t>(i + 1));
        }
        std::set<std::string> effects;
        std::ifstream in(dir_ / "effects");
        for (std::string line; std::getline(in, line);) {
            effects.insert(line);
        }
        EXPECT_EQ(effects, all_effects);
        const auto replayed = replay_history(world::registry(), history_to_json(*events));
        EXPECT_TRUE(replayed) << replayed.error().detail;
    }

 private:
    fs::path dir_;
};

TEST_F(process_killer, a_run_survives_kills_at_random_moments) {
    std::minstd_rand random(20261123);
    int kills = 0;
    // The run takes 200 ms at least, so two kills hit it on any machine.
    while (kills < 15 &&
           run_and_kill_after(std::chrono::microseconds(10'000 + random() % 80'000))) {
        ++kills;
    }
    EXPECT_GE(kills, 2);
    EXPECT_TRUE(wait(spawn()));
    expect_complete();
}

TEST_F(process_killer, a_run_survives_kills_at_every_boundary_of_a_transaction) {
    int kills = 0;
    for (const char* point :
         {"durable.before_commit", "durable.after_commit", "durable.attempt_started"}) {
        for (int nth = 1; nth <= 4; ++nth) {
            kills += wait(spawn(std::string(point) + ":" + std::to_string(nth))) ? 0 : 1;
        }
    }
    EXPECT_GT(kills, 6);
    EXPECT_TRUE(wait(spawn()));
    expect_complete();
}

}  // namespace
}  // namespace vora::durable

int main(int argc, char** argv) {
    if (argc == 3 && std::string(argv[1]) == "--child") {
        return vora::durable::child_main(argv[2]);
    }
    vora::durable::program = std::filesystem::read_symlink("/proc/self/exe").string();
    testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
