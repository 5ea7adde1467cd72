#include "services/all/event_engine.hpp"

#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "services/all/event_engine_library.hpp"
#include "services/all/event_engine_process.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace vora::all {

void event_engine_config::bind(config::schema& s) {
    s.add("events.engine", &engine, "embedded, off, or http(s)://USER:PASSWORD@HOST:PORT/DATABASE");
    s.mark_secret("events.engine");  // it may hold a password
    s.add("events.engine_ca_file", &ca_file,
          "PEM file of the authorities that https of events.engine is checked with; empty = the "
          "system's");
    s.add("events.engine_library", &library,
          "libchdb.so of the embedded engine; empty = fetched into the user's cache");
}

namespace {

using namespace std::chrono_literals;

constexpr std::size_t idle_connections_max = 16;
constexpr auto restart_pause_min = 200ms;
constexpr auto restart_pause_max = 30'000ms;
constexpr auto fetch_pause_min = 2'000ms;
constexpr auto fetch_pause_max = 300'000ms;
// One that serves and dies is started again at once; the pause grows when it does not come as far,
// or has died so many times without ever living that long.
constexpr auto good_life = 30s;
constexpr int short_lives_max = 25;

// It is built and installed beside us.
std::string engine_program() {
    std::error_code ec;
    return std::filesystem::read_symlink("/proc/self/exe", ec).parent_path().string() +
           "/vora-event-engine";
}

}  // namespace

struct event_engine::state {
    state(const executor& ex, blocking_pool& pool, event_engine_config c,
          std::shared_ptr<net::transport_security> security, const std::string& data_dir,
          obs::logger l, obs::metrics& metrics)
        : config(std::move(c)),
          log(std::move(l)),
          http(ex, idle_connections_max, std::move(security)),
          library(pool, config.library, log),
          process(pool, http,
                  {.program = engine_program(),
                   .data_path = data_dir + "/events/engine",
                   .log_file = data_dir + "/log/event-engine.log"},
                  log, metrics),
          events(http, [this] { return where(); }),
          tasks(ex) {}

    bool embedded() const { return config.engine == "embedded"; }
    std::optional<clickhouse::endpoint> where() const {
        return embedded() ? process.where() : server;
    }
    task<> keep_alive();
    task<result<std::string>> obtain();
    void say(const std::string& words, const std::string& detail = {});

    event_engine_config config;
    obs::logger log;
    std::optional<clickhouse::endpoint> server;
    net::client http;
    event_engine_library library;
    event_engine_process process;
    clickhouse::client events;
    task_group tasks;
    std::string trouble = "starting the event engine";
    bool fetching = false;
    std::string version;  // of the engine at version_of
    std::string version_of;
};

// For /readyz; logged when it changes.
void event_engine::state::say(const std::string& words, const std::string& detail) {
    if (words != trouble) {
        trouble = words;
        log.warn("event_engine_waits", {{"why", words}, {"detail", detail}});
    }
}

task<result<std::string>> event_engine::state::obtain() {
    fetching = true;
    auto path = co_await library.obtain();
    fetching = false;
    co_return path;
}

// Fetch until it is there, then one life after the other.
task<> event_engine::state::keep_alive() {
    auto fetch_pause = fetch_pause_min;
    auto restart_pause = restart_pause_min;
    int short_lives = 0;
    for (;;) {
        auto path = co_await obtain();
        if (!path) {
            say(path.error().reason, path.error().detail);
            co_await sleep_for(fetch_pause);
            fetch_pause = std::min(fetch_pause * 2, fetch_pause_max);
            continue;
        }
        trouble = "starting the event engine";
        const auto begun = std::chrono::steady_clock::now();
        auto why = co_await process.live(*path);
        if (std::chrono::steady_clock::now() - begun > good_life) {
            restart_pause = restart_pause_min;
            short_lives = 0;
        }
        say("the event engine is started again: " + why);
        co_await sleep_for(restart_pause);
        if (!process.promising() || ++short_lives > short_lives_max) {
            restart_pause = std::min(restart_pause * 2, restart_pause_max);
        }
    }
}

result<std::unique_ptr<event_engine>> event_engine::create(executor ex, blocking_pool& pool,
                                                           event_engine_config c,
                                                           const std::string& data_dir,
                                                           obs::logger log, obs::metrics& metrics) {
    std::optional<clickhouse::endpoint> server;
    std::shared_ptr<net::transport_security> security;
    if (c.engine != "embedded" && c.engine != "off") {
        auto parsed = clickhouse::parse_endpoint(c.engine);
        if (!parsed) {
            return fail(errc::invalid_argument, "bad_config_value",
                        "events.engine must be embedded, off, or "
                        "http(s)://USER:PASSWORD@HOST:PORT/DATABASE");
        }
        auto made = clickhouse::security_for(*parsed, c.ca_file);
        if (!made) {
            return fail(errc::invalid_argument, "bad_config_value",
                        "events.engine_ca_file: " + made.error().detail);
        }
        server = std::move(*parsed);
        security = std::move(*made);
    }
    auto s = std::make_unique<state>(ex, pool, std::move(c), std::move(security), data_dir,
                                     std::move(log), metrics);
    s->server = std::move(server);
    return std::unique_ptr<event_engine>(new event_engine(std::move(s)));
}

event_engine::event_engine(std::unique_ptr<state> s) : state_(std::move(s)) {}
event_engine::~event_engine() = default;

void event_engine::start() {
    if (state_->embedded()) {
        state_->tasks.spawn(state_->keep_alive());
    }
}

task<> event_engine::stop() {
    co_await state_->process.stop();
    co_await state_->tasks.stop();
    state_->http.close();
}

bool event_engine::off() const {
    return state_->config.engine == "off";
}

std::optional<clickhouse::endpoint> event_engine::where() const {
    return state_->where();
}

clickhouse::client& event_engine::client() {
    return state_->events;
}

task<result<std::string>> event_engine::readiness() {
    const auto& s = *state_;
    if (off()) {
        co_return std::string("off");
    }
    if (s.embedded() && s.fetching) {
        co_return fail(errc::unavailable, s.library.progress());
    }
    if (s.embedded() && !s.process.where()) {
        co_return fail(errc::unavailable, s.trouble);
    }
    if (s.embedded() && !s.process.answers()) {
        co_return fail(errc::unavailable, "the event engine does not answer");
    }
    // A child that answers pings is asked for its version once: readiness does not wait behind
    // queries.
    const auto url = state_->where()->url;
    if (!s.embedded() || s.version_of != url) {
        auto version = co_await state_->events.version(1500ms);
        if (!version) {
            co_return fail(errc::unavailable, version.error().reason);
        }
        state_->version = std::move(*version);
        state_->version_of = url;
    }
    co_return "clickhouse " + s.version;
}

int fetch_event_engine() {
    event_loop loop;
    blocking_pool pool(2);
    event_engine_library library(pool, "", {});
    std::printf("fetching the event engine %s\n", event_engine_library::version().c_str());
    std::fflush(stdout);
    auto path = loop.run_until_done(library.obtain());
    if (!path) {
        std::fprintf(stderr, "vora: %s\n%s", path.error().reason.c_str(),
                     path.error().detail.empty() ? "" : (path.error().detail + "\n").c_str());
        return 1;
    }
    std::printf("%s\n", path->c_str());
    return 0;
}

}  // namespace vora::all
