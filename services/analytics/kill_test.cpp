// SIGKILL at every named point of ingest and drain: an answered event is stored once, one that was
// not answered at most once. The service runs in a process of its own, started from this very
// program; ClickHouse (with levers) and the clients live here and survive.

#include "services/analytics/testing/analytics_fixture.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <sstream>

namespace vora::analytics {
namespace {

namespace fs = std::filesystem;
using testing::events_json;

constexpr int address_fd = 3;
constexpr const char* dir_variable = "VORA_TEST_SPOOL";
constexpr const char* small_variable = "VORA_TEST_SMALL_FILES";
constexpr const char* engine_variable = "VORA_TEST_ENGINE";

// Not a test: the process that dies.
TEST(killed_service, DISABLED_serves) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    event_loop loop;
    blocking_pool pool(4);
    system_clock_source clock;
    obs::metrics metrics;
    net::client http(loop.executor());
    const std::string engine = std::getenv(engine_variable);
    clickhouse::client store(http, [&]() -> std::optional<clickhouse::endpoint> {
        return clickhouse::endpoint{engine, "default", ""};
    });
    config c;
    c.spool_dir = std::getenv(dir_variable);
    c.flush_ms = 3;
    c.retry_max_ms = 20;
    // Small files, so that they are removed; or a large one, so that a batch ends where the file
    // did at that moment: borders that nobody could find again.
    const bool small = std::getenv(small_variable) != nullptr;
    c.segment_bytes = small ? 8192 : 8 << 20;
    c.batch_rows = small ? 100 : 50'000;
    app service(loop.executor(), pool, clock, store, obs::logger(), metrics, c);
    net::router routes = service.public_routes();
    routes.add("GET", "/metrics", [&](net::request&) -> task<net::response> {
        co_return net::response::text(200, metrics.expose());
    });
    net::server front(loop.executor(), {}, std::move(routes), obs::logger(), metrics);
    ASSERT_TRUE(front.start());
    loop.run_until_done(service.start());
    const std::string address = front.address() + "\n";
    ASSERT_GT(::write(address_fd, address.data(), address.size()), 0);
    ::close(address_fd);
    loop.run();  // until killed
}

class child {
 public:
    child(const fs::path& dir, const std::string& engine, const std::string& fault_point,
          bool small_files) {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        std::vector<std::string> env{std::string(dir_variable) + "=" + dir.string(),
                                     std::string(engine_variable) + "=" + engine};
        if (!fault_point.empty()) {
            env.push_back("VORA_FAULT_POINT=" + fault_point);
        }
        if (small_files) {
            env.push_back(std::string(small_variable) + "=1");
        }
        std::vector<char*> envp;
        for (auto& e : env) {
            envp.push_back(e.data());
        }
        envp.push_back(nullptr);
        std::string args[] = {"killed_service", "--gtest_also_run_disabled_tests",
                              "--gtest_filter=killed_service.*", "--gtest_brief=1"};
        char* argv[] = {args[0].data(), args[1].data(), args[2].data(), args[3].data(), nullptr};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], address_fd);
        EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, envp.data()), 0);
        posix_spawn_file_actions_destroy(&actions);
        ::close(ends[1]);
        char c = 0;
        while (::read(ends[0], &c, 1) == 1 && c != '\n') {
            address_ += c;
        }
        ::close(ends[0]);
    }
    ~child() { kill(); }
    child(const child&) = delete;

    // Empty when it died before it listened.
    const std::string& address() const { return address_; }
    bool dead() {
        if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) {
            pid_ = 0;
        }
        return pid_ == 0;
    }
    void kill() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, &status_, 0);
            pid_ = 0;
        }
    }

 private:
    pid_t pid_ = 0;
    int status_ = 0;
    std::string address_;
};

class killed : public testing::analytics_fixture {
 protected:
    task<> client(std::string address, int requests) {
        net::client http(loop_.executor());
        for (int i = 0; i < requests; ++i) {
            const std::uint64_t first = next_seq_;
            next_seq_ += 3;
            net::client_request r;
            r.method = "POST";
            r.url = "http://" + address + "/v1/events";
            r.headers.set("Content-Type", "application/json");
            r.body = events_json(first, first + 3);
            auto answer = co_await http.send(std::move(r));
            for (auto seq = first; seq < first + 3; ++seq) {
                (answer && answer->status == 204 ? answered_ : unanswered_).insert(seq);
            }
            if (!answer) {
                co_return;
            }
        }
    }
    // Posts until the service dies or the clients are through.
    void load(const std::string& address, int requests) {
        task_group clients(loop_.executor());
        for (int i = 0; i < 4; ++i) {
            clients.spawn(client(address, requests));
        }
        loop_.run_until_done(clients.join());
    }
    std::map<std::string, double> figures(const std::string& address) {
        net::client http(loop_.executor());
        net::client_request r;
        r.url = "http://" + address + "/metrics";
        auto answer = loop_.run_until_done(http.send(std::move(r)));
        std::map<std::string, double> found;
        std::istringstream page(answer ? answer->body : "");
        for (std::string line; std::getline(page, line);) {
            const auto space = line.rfind(' ');
            if (!line.starts_with('#') && space != std::string::npos) {
                found[line.substr(0, space)] = std::stod(line.substr(space + 1));
            }
        }
        return found;
    }
    void expect_each_answered_event_once() {
        for (const auto seq : answered_) {
            ASSERT_EQ(engine_.stored[seq], 1) << seq;
        }
        for (const auto seq : unanswered_) {
            ASSERT_LE(engine_.stored[seq], 1) << seq;
        }
    }
    std::uint64_t rows_in_engine() const {
        std::uint64_t n = 0;
        for (const auto& [seq, times] : engine_.stored) {
            n += static_cast<std::uint64_t>(times);
        }
        return n;
    }

    std::uint64_t next_seq_ = 0;
    std::set<std::uint64_t> answered_;
    std::set<std::uint64_t> unanswered_;
};

constexpr const char* points[] = {"analytics.appended",       "analytics.planned",
                                  "analytics.before_insert",  "analytics.after_insert",
                                  "analytics.before_ack",     "analytics.acked",
                                  "analytics.segment_removed"};

TEST_F(killed, at_any_point_each_answered_event_is_stored_once) {
    std::mt19937 dice(20261123);
    int deaths = 0;
    for (int round = 0; round < 35; ++round) {
        const std::string point =
            std::string(points[round % 7]) + ":" + std::to_string(1 + dice() % 5);
        SCOPED_TRACE(point);
        // Some of the time the engine misbehaves too.
        engine_.cut_after_storing = dice() % 3 == 0 ? 1 : 0;
        engine_.store_then_fail = dice() % 3 == 0 ? 1 : 0;
        child service(dir_, engine_.url(), point, round % 2 == 0);
        if (!service.address().empty()) {
            load(service.address(), 60);
            // A point in the drain may still be ahead.
            const auto limit = std::chrono::steady_clock::now() + 300ms;
            while (!service.dead() && std::chrono::steady_clock::now() < limit) {
                loop_.run_until_done(sleep_for(2ms));
            }
        }
        deaths += service.dead() ? 1 : 0;
        service.kill();
    }
    EXPECT_GE(deaths, 10) << "the points are reached";
    engine_.cut_after_storing = 0;
    engine_.store_then_fail = 0;
    child last(dir_, engine_.url(), "", true);
    std::map<std::string, double> f;
    ASSERT_TRUE(eventually([&] {
        f = figures(last.address());
        return f["vora_analytics_recovering"] == 0 &&
               f["vora_analytics_events_stored_total"] >= static_cast<double>(answered_.size()) &&
               f["vora_analytics_events_spooled"] == 0;
    })) << f["vora_analytics_events_accepted_total"]
        << " accepted, stored " << f["vora_analytics_events_stored_total"];
    expect_each_answered_event_once();
    EXPECT_GT(answered_.size(), 500u);
    // The books went on over all those deaths.
    EXPECT_EQ(f["vora_analytics_events_stored_total"], static_cast<double>(rows_in_engine()));
    EXPECT_EQ(f["vora_analytics_events_accepted_total"], static_cast<double>(rows_in_engine()));
}

}  // namespace
}  // namespace vora::analytics
