// Configuration, fetch and supervision of the event engine, with a fake npm and fake engines. The
// real ones: tests/e2e/test_event_engine.py.

#include "services/all/event_engine.hpp"

#include "libs/base/crypto.hpp"
#include "libs/net/client.hpp"
#include "services/all/event_engine_library.hpp"
#include "services/all/event_engine_process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vora::all {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class event_engine_parts : public ::testing::Test {
 protected:
    event_engine_parts() {
        fs::create_directories(folder / "bin");
        for (const auto* name : {"PATH", "XDG_CACHE_HOME"}) {
            const char* value = std::getenv(name);
            before.emplace_back(name, value == nullptr ? "" : value);
        }
        setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
        setenv("PATH", (folder / "bin").c_str(), 1);
    }
    ~event_engine_parts() override {
        for (const auto& [name, value] : before) {
            value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
        }
        fs::remove_all(folder);
    }

    std::string script(const std::string& name, const std::string& text) const {
        const auto path = folder / "bin" / name;
        std::ofstream(path) << "#!/bin/sh\nPATH=/usr/bin:/bin\n" << text << "\n";
        fs::permissions(path, fs::perms::owner_all);
        return path.string();
    }
    result<std::string> obtain(const std::string& given = "") {
        event_engine_library library(pool, given, {});
        return loop.run_until_done(library.obtain());
    }
    fs::path versions() const {
        return folder / "cache/vora/event-engine" / event_engine_library::version();
    }
    std::string live(const std::string& program, std::chrono::milliseconds silence = 60s) {
        fs::create_directories(folder / "log");
        event_engine_process process(pool, http,
                                     {.program = program,
                                      .data_path = (folder / "data").string(),
                                      .log_file = (folder / "log/engine").string(),
                                      .ping_interval = 10ms,
                                      .silence_max = silence},
                                     {}, metrics);
        return loop.run_until_done(process.live("/lib.so"));
    }
    result<std::unique_ptr<event_engine>> configured(const std::string& text) {
        return event_engine::create(loop.executor(), pool, {.engine = text, .library = ""},
                                    folder.string(), {}, metrics);
    }

    fs::path folder = fs::temp_directory_path() / ("vora-events-" + random_hex(8));
    std::vector<std::pair<std::string, std::string>> before;
    obs::metrics metrics;
    event_loop loop;
    blocking_pool pool{2};
    net::client http{loop.executor()};
};

TEST_F(event_engine_parts, knows_where_a_server_is_from_its_url) {
    const auto at = [&](const std::string& text) {
        auto e = configured(text);
        const auto where = e ? (*e)->where() : std::nullopt;
        return where ? where->user + ":" + where->password + "@" + where->url : "(none)";
    };
    EXPECT_EQ(at("clickhouse://me:p%40ss@db.example:9000"), "me:p@ss@http://db.example:9000");
    EXPECT_EQ(at("http://127.0.0.1:8123/"), "default:@http://127.0.0.1:8123");
    EXPECT_EQ(at("clickhouse://db"), "default:@http://db:8123");
    EXPECT_EQ(at("clickhouse://[::1]"), "default:@http://[::1]:8123");
    EXPECT_EQ(at("off"), "(none)");
    EXPECT_EQ(at("embedded"), "(none)");
}

TEST_F(event_engine_parts, refuses_a_url_that_is_none) {
    for (const auto* text : {"", "of", "ftp://x", "clickhouse://", "clickhouse://a:b",
                             "clickhouse://a/b/c", "clickhouse://u:%zz@h", "://x", "http://:80"}) {
        auto e = configured(text);
        ASSERT_FALSE(e) << text;
        EXPECT_EQ(e.error().reason, "bad_config_value");
    }
}

TEST_F(event_engine_parts, takes_the_library_that_is_given_or_already_there) {
    std::ofstream(folder / "mine.so") << "x";
    EXPECT_EQ(*obtain((folder / "mine.so").string()), (folder / "mine.so").string());
    EXPECT_FALSE(obtain("/nowhere/libchdb.so"));
    fs::create_directories(versions());
    std::ofstream(versions() / "libchdb.so") << "x";
    EXPECT_EQ(*obtain(), (versions() / "libchdb.so").string());
}

TEST_F(event_engine_parts, says_that_npm_is_missing) {
    const auto r = obtain();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "the event engine cannot be fetched: npm is not installed");
}

TEST_F(event_engine_parts, says_why_npm_failed_and_leaves_nothing_behind) {
    script("node", "exit 0");
    script("npm", "echo half > half.tgz; echo 'npm error code ENOTFOUND' >&2; exit 1");
    const auto r = obtain();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "the event engine cannot be fetched: npm pack failed");
    EXPECT_EQ(r.error().detail, "npm error code ENOTFOUND");
    EXPECT_FALSE(fs::exists(versions() / "libchdb.so"));
    EXPECT_FALSE(fs::exists(versions() / "staging"));
}

TEST_F(event_engine_parts, takes_no_package_but_the_pinned_one) {
    script("node", "exit 0");
    script("npm", "mkdir package; echo evil > package/libchdb.so; tar -czf x.tgz package");
    const auto r = obtain();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason,
              "the event engine cannot be fetched: the package is not the pinned one");
    EXPECT_FALSE(fs::exists(versions() / "libchdb.so"));
}

TEST_F(event_engine_parts, leaves_the_fetching_to_the_one_that_has_begun) {
    script("node", "exit 0");
    script("npm", "touch " + (folder / "called").string());
    fs::create_directories(versions());
    const int other = ::open((versions() / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ASSERT_EQ(::flock(other, LOCK_EX), 0);
    const auto r = obtain();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "another Vora fetches the event engine");
    EXPECT_FALSE(fs::exists(folder / "called"));
    ::close(other);
}

TEST_F(event_engine_parts, tells_a_program_that_is_not_there_or_ends_before_it_serves) {
    EXPECT_EQ(live("/nowhere/vora-event-engine"), "it ended before it served");
    EXPECT_EQ(live(script("vora-event-engine", "exit 3")), "it ended before it served");
}

TEST_F(event_engine_parts, ends_one_that_never_answers) {
    // Port 1 on the loopback: nobody listens.
    const auto program = script("vora-event-engine",
                                "read key; echo $$ > pid; echo http://127.0.0.1:1; exec sleep 600");
    EXPECT_EQ(live(program, 100ms), "it did not answer any more");
    pid_t pid = 0;
    std::ifstream(folder / "data/pid") >> pid;
    ASSERT_GT(pid, 0);
    EXPECT_NE(::kill(pid, 0), 0) << "it is gone when live() returns";
}

TEST_F(event_engine_parts, gives_the_key_on_stdin_and_nowhere_else) {
    const auto program =
        script("vora-event-engine",
               "read key; echo \"$key\" > key; cat /proc/$$/cmdline > line; env > env");
    live(program);
    std::string key;
    std::ifstream(folder / "data/key") >> key;
    EXPECT_EQ(key.size(), 64U);
    for (const auto* name : {"line", "env"}) {
        std::ifstream in(folder / "data" / name);
        const std::string text(std::istreambuf_iterator<char>(in), {});
        EXPECT_FALSE(text.empty());
        EXPECT_EQ(text.find(key), std::string::npos) << name;
        EXPECT_EQ(text.find("XDG_CACHE_HOME"), std::string::npos) << "not our environment";
    }
}

}  // namespace
}  // namespace vora::all
