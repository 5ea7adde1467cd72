#include "services/all/event_engine.hpp"

#include "libs/base/encoding.hpp"
#include "libs/config/config.hpp"
#include "libs/net/client.hpp"

#include <chrono>
#include <string_view>
#include <utility>

namespace vora::all {

namespace {

using namespace std::chrono_literals;

result<clickhouse::endpoint> parse_endpoint(std::string_view text) {
    const auto bad = [] {
        return fail(errc::invalid_argument, "bad_config_value",
                    "events.engine must be embedded, off, clickhouse://USER:PASSWORD@HOST:PORT or "
                    "http://HOST:PORT");
    };
    const auto scheme_end = text.find("://");
    const auto scheme = text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end);
    if (scheme != "clickhouse" && scheme != "http") {
        return bad();
    }
    auto rest = text.substr(scheme_end + 3);
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    clickhouse::endpoint e;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto login = rest.substr(0, at);
        const auto colon = login.find(':');
        auto user = percent_decode(login.substr(0, colon));
        auto password = percent_decode(colon == std::string_view::npos ? std::string_view()
                                                                       : login.substr(colon + 1));
        if (!user || !password) {
            return bad();
        }
        e.user = *user;
        e.password = *password;
        rest.remove_prefix(at + 1);
    }
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon > 0 && rest.back() != ']' &&
                          parse_uint(rest.substr(colon + 1)).has_value();
    if (rest.empty() || rest.find('/') != std::string_view::npos ||
        (colon != std::string_view::npos && rest.back() != ']' && !has_port)) {
        return bad();
    }
    e.url = "http://" + std::string(rest) + (has_port ? "" : ":8123");
    return e;
}

}  // namespace

void event_engine_config::bind(config::schema& s) {
    s.add("events.engine", &engine,
          "embedded, off, clickhouse://USER:PASSWORD@HOST:PORT or http://HOST:PORT");
    s.mark_secret("events.engine");  // it may hold a password
    s.add("events.engine_library", &library,
          "libchdb.so of the embedded engine; empty = fetched into the user's cache");
}

struct event_engine::state {
    state(executor ex, event_engine_config c)
        : config(std::move(c)), http(ex), events(http, [this] { return where(); }) {}

    std::optional<clickhouse::endpoint> where() const { return server; }

    event_engine_config config;
    std::optional<clickhouse::endpoint> server;
    net::client http;
    clickhouse::client events;
};

result<std::unique_ptr<event_engine>> event_engine::create(executor ex, blocking_pool&,
                                                           event_engine_config c,
                                                           const std::string&, obs::logger,
                                                           obs::metrics&) {
    auto s = std::make_unique<state>(std::move(ex), std::move(c));
    if (s->config.engine != "embedded" && s->config.engine != "off") {
        auto server = parse_endpoint(s->config.engine);
        if (!server) {
            return fail(server.error());
        }
        s->server = std::move(*server);
    }
    return std::unique_ptr<event_engine>(new event_engine(std::move(s)));
}

event_engine::event_engine(std::unique_ptr<state> s) : state_(std::move(s)) {}
event_engine::~event_engine() = default;

void event_engine::start() {}

task<> event_engine::stop() {
    state_->http.close();
    co_return;
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
    if (off()) {
        co_return std::string("off");
    }
    auto version = co_await state_->events.version(1500ms);
    if (!version) {
        co_return fail(version.error());
    }
    co_return "clickhouse " + *version;
}

}  // namespace vora::all
