#include "services/all/platform.hpp"

#include "libs/auth/grant.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/base/signals.hpp"
#include "libs/blob/file/file_store.hpp"
#include "libs/config/config.hpp"
#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/net/problem.hpp"
#include "libs/net/server.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "libs/service/health.hpp"
#include "libs/service/keys/grant_ring.hpp"
#include "libs/service/keys/token_keys.hpp"
#include "libs/service/or_throw.hpp"
#include "libs/service/settings.hpp"
#include "libs/service/stores/disk_watch.hpp"
#include "libs/service/stores/store_dependency.hpp"
#include "services/all/data_dir.hpp"
#include "services/all/event_engine.hpp"
#include "services/all/workflow_routes.hpp"
#include "services/analytics/app.hpp"
#include "services/dashboard/app.hpp"
#include "services/gateway/app.hpp"
#include "services/metadata/app.hpp"
#include "services/upload/app.hpp"
#include "services/worker/app.hpp"
#include "services/workflow/registry.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace vora::all {

using service::dependency;
using service::listener;
using service::or_throw;
using service::store_dependency;

struct platform_config::services {
    service::settings process;
    upload::config upload;
    metadata::config metadata;
    worker::config worker;
    gateway::config gateway;
    analytics::config analytics;
    dashboard::config dashboard;
    event_engine_config events_engine;
    service::token_keys_config tokens;
};

platform_config::platform_config() : parts(std::make_unique<services>()) {}
platform_config::~platform_config() = default;
platform_config::platform_config(platform_config&&) noexcept = default;

platform_config platform_config::for_data_dir(const data_dir& dir) {
    return for_path(dir.path());
}

platform_config platform_config::for_path(const std::string& dir) {
    platform_config c;
    c.parts->metadata.database = "sqlite:" + dir + "/db/metadata.sqlite";
    c.parts->worker.scratch_dir = dir + "/scratch";
    c.parts->analytics.spool_dir = dir + "/events";
    return c;
}

platform_config::tool_facts platform_config::facts() const {
    const auto work = std::max({parts->upload.expiry, parts->metadata.upload_grant_ttl,
                                std::chrono::seconds(parts->metadata.retry_budget_s)});
    return {parts->metadata.database, parts->worker.scratch_dir, parts->worker.ffmpeg, work};
}

void platform_config::bind(config::schema& s) {
    parts->process.bind(s);
    s.add("limits.disk_free_min_bytes", &disk_free_min_bytes,
          "with less room no upload and no encode begins; -1 = 1 GiB, or 5 % of a smaller disk",
          service::disk_mark_by_size);
    parts->metadata.bind_public_urls(s);  // once for all that show them
    parts->tokens.bind(s);
    parts->upload.bind(s);
    parts->metadata.bind(s);
    parts->worker.bind(s);
    parts->gateway.bind(s);
    parts->analytics.bind(s);
    parts->dashboard.bind(s);
    parts->events_engine.bind(s);
}

namespace {

task<result<std::string>> database_ready(metadata::app& videos) {
    auto statuses = co_await videos.readiness();
    for (const auto& status : statuses) {
        if (status.name == "database" && status.state != "ok") {
            co_return fail(errc::unavailable, status.detail);
        }
    }
    co_return std::string("sqlite");
}

task<result<std::string>> ffmpeg_ready(worker::app& media) {
    const auto state = media.ready();
    if (!state.ready) {
        co_return fail(errc::unavailable, "ffmpeg_not_usable");
    }
    co_return state.ffmpeg_version;
}

task<result<std::string>> engine_ready(durable::embedded_engine& engine) {
    auto r = co_await engine.describe("readiness");
    if (!r && r.error().code != errc::not_found) {
        co_return fail(r.error());
    }
    co_return std::string("embedded");
}

// The one listener that strangers reach.
net::server_options front_listener(const service::settings& process, const std::string& address) {
    auto settings = process;
    settings.listen = address;
    return settings.front("/play/");
}

}  // namespace

// Members stand from the most general to the most particular; they are destroyed the other way
// round.
struct platform::state {
    state(data_dir& d, platform_config c)
        : dir(d),
          config(std::move(c)),
          log(obs::logger::to_file(
              dir.file("log/vora.jsonl"),
              service::level_of(config.parts->process.log_level).value_or(obs::level::info),
              64 << 20, 4)),
          pool(static_cast<std::size_t>(config.parts->process.blocking_threads)),
          issuer(or_throw(auth::token_issuer::load_or_create(dir.file("keys/issuer.pem")))),
          grants(loop.executor(), pool, clock, dir.file("keys/grants.json"), log,
                 service::absent_ring::make),
          foreign_tokens(loop.executor(), pool, config.parts->tokens, log.for_service("auth"),
                         metrics),
          internal_secret(or_throw(dir.secret("keys/internal.secret"))),
          hook_secret(or_throw(dir.secret("keys/hook.secret"))),
          raw(dir.file("store/bucket-raw"), pool),
          processed(dir.file("store/bucket-processed"), pool),
          disks(loop.executor(), pool,
                {dir.path(), dir.file("store"), config.parts->worker.scratch_dir},
                config.disk_free_min_bytes, metrics),
          front(loop.executor(), front_listener(config.parts->process, config.listen), {},
                log.for_service("front"), metrics),
          internal(loop.executor(), listener("internal", "127.0.0.1:0"), {},
                   log.for_service("internal"), metrics),
          admin(loop.executor(), listener("admin", config.parts->process.admin_listen), {},
                log.for_service("admin"), metrics) {
        or_throw(dir.ensure_api_token(issuer, verifier(), clock.now()));
    }

    auth::token_verifier verifier() const {
        auth::token_verifier v;
        or_throw(v.add_key(issuer.public_key_pem(), issuer.key_id()));
        foreign_tokens.add_to(v);
        return v;
    }

    void wire();
    void serve();
    std::vector<dependency> dependencies();
    task<result<void>> start_services();
    task<> stop();

    data_dir& dir;
    platform_config config;
    obs::logger log;
    obs::metrics metrics;
    system_clock_source clock;
    event_loop loop;
    blocking_pool pool;
    auth::token_issuer issuer;
    service::grant_ring grants;
    service::token_keys foreign_tokens;
    std::string internal_secret;
    std::string hook_secret;
    blob::file_store raw;
    blob::file_store processed;
    service::disk_watch disks;
    net::server front;
    net::server internal;
    net::server admin;
    std::unique_ptr<durable::embedded_engine> engine;
    std::unique_ptr<event_engine> events_engine;  // .client() is the events' ClickHouse
    std::unique_ptr<upload::app> uploads;
    std::unique_ptr<metadata::app> videos;
    std::unique_ptr<worker::app> media;
    std::unique_ptr<gateway::app> delivery;
    std::unique_ptr<analytics::app> events;
    std::unique_ptr<dashboard::app> studio;
    std::unique_ptr<workflow_routes> runs;
    std::string studio_token;
};

void platform::state::wire() {
    auto& parts = *config.parts;
    const auto internal_url = "http://" + internal.address();
    const auto ex = loop.executor();

    engine = std::make_unique<durable::embedded_engine>(
        ex, pool, clock, workflow::registry(),
        durable::embedded_engine_options{.db_path = dir.file("db/workflow.sqlite")},
        log.for_service("workflow"), metrics);

    events_engine = or_throw(event_engine::create(ex, pool, parts.events_engine, dir.path(),
                                                  log.for_service("events"), metrics));

    parts.upload.public_url = parts.metadata.public_upload_url;
    parts.upload.hook_url = internal_url + "/internal/hooks/upload";
    parts.upload.hook_secret = hook_secret;
    parts.upload.internal_secret = internal_secret;
    uploads =
        std::make_unique<upload::app>(ex, raw, raw, raw, grants.keys(), verifier(), clock,
                                      log.for_service("upload"), metrics, parts.upload, &disks);

    parts.metadata.http_origin = "http://" + front.address();
    parts.metadata.upload_internal_url = internal_url;
    parts.metadata.hook_secret = hook_secret;
    parts.metadata.internal_secret = internal_secret;
    videos = std::make_unique<metadata::app>(ex, pool, clock, *engine, *engine, verifier(),
                                             grants.keys(), log.for_service("metadata"), metrics,
                                             parts.metadata);

    media = std::make_unique<worker::app>(ex, pool, raw, processed, processed, processed, *engine,
                                          log.for_service("worker"), metrics, parts.worker, &disks);

    parts.gateway.metadata_url = internal_url;
    parts.gateway.internal_secret = internal_secret;
    delivery = std::make_unique<gateway::app>(ex, processed, grants.keys(), clock,
                                              log.for_service("gateway"), metrics, parts.gateway);

    events = std::make_unique<analytics::app>(ex, pool, clock, events_engine->client(), log,
                                              metrics, parts.analytics);

    parts.dashboard.public_api_url = parts.metadata.public_api_url;
    parts.dashboard.public_upload_url = parts.metadata.public_upload_url;
    parts.dashboard.public_play_url = parts.metadata.public_play_url;
    parts.dashboard.metadata_url = "http://" + front.address();
    studio = std::make_unique<dashboard::app>(ex, issuer, verifier(), clock,
                                              log.for_service("dashboard"), metrics,
                                              parts.dashboard, &events_engine->client());
}

void platform::state::serve() {
    net::router internal_routes = uploads->internal_routes();
    internal_routes.merge(videos->internal_routes());
    internal.set_routes(std::move(internal_routes));

    const auto health = [this] { return service::health_routes(dependencies()); };
    net::router public_routes = uploads->public_routes();
    public_routes.merge(videos->public_routes());
    public_routes.merge(delivery->public_routes());
    public_routes.merge(events->public_routes());
    public_routes.merge(studio->public_routes());
    public_routes.merge(health());
    front.set_routes(std::move(public_routes));

    net::router admin_routes = health();
    admin_routes.add("GET", "/metrics", [this](net::request&) -> task<net::response> {
        co_return net::response::text(200, metrics.expose(), "text/plain; version=0.0.4");
    });
    runs = std::make_unique<workflow_routes>(
        *engine, verifier(), clock, [this](std::string id, std::int64_t generation) {
            return videos->retry_ingest(std::move(id), generation);
        });
    admin_routes.merge(runs->routes());
    admin.set_routes(std::move(admin_routes));
}

std::vector<dependency> platform::state::dependencies() {
    return {
        {"database", true, [this] { return database_ready(*videos); }},
        {"workflow_engine", true, [this] { return engine_ready(*engine); }},
        store_dependency("raw_store", raw),
        store_dependency("processed_store", processed),
        {"ffmpeg", false, [this] { return ffmpeg_ready(*media); }},
        {"event_engine", false, [this] { return events_engine->readiness(); }},
        {"disk", false, [this] { return disks.ready(); }},
    };
}

// Recovery before the doors open: the engine replays, the worker clears strays, then the listeners
// start.
task<result<void>> platform::state::start_services() {
    videos->open();  // first: of all that may be wrong, found before anything runs
    auto engine_started = co_await engine->start();
    if (!engine_started) {
        co_return fail(engine_started.error());
    }
    auto uploads_started = co_await uploads->start();
    if (!uploads_started) {
        co_return fail(uploads_started.error());
    }
    co_await media->start();
    videos->start();
    events_engine->start();
    co_await events->start();
    for (auto* server : {&internal, &admin, &front}) {
        if (auto r = server->start(); !r) {
            co_return fail(r.error());
        }
    }
    disks.start();
    delivery->start();
    grants.start();
    foreign_tokens.start();
    co_return result<void>{};
}

// From the outside in: no new requests, then no new work, then the engine, last the internal
// listener.
task<> platform::state::stop() {
    co_await front.stop();
    co_await studio->stop();
    co_await delivery->stop();
    co_await grants.stop();
    co_await events->stop();
    co_await media->stop();
    co_await videos->stop();
    co_await uploads->stop();
    co_await foreign_tokens.stop();
    co_await disks.stop();
    co_await engine->stop();
    co_await events_engine->stop();
    co_await internal.stop();
    co_await admin.stop();
}

platform::platform(data_dir& dir, platform_config config)
    : state_(std::make_unique<state>(dir, std::move(config))) {}

platform::~platform() = default;

result<void> platform::start() {
    // All three are bound before anything is touched, so that a port in use changes nothing.
    for (auto* server : {&state_->front, &state_->internal, &state_->admin}) {
        if (auto r = server->bind(); !r) {
            return r;
        }
    }
    state_->wire();
    state_->serve();
    if (auto r = state_->loop.run_until_done(state_->start_services()); !r) {
        return r;
    }
    state_->studio_token = state_->studio->new_one_time_token();
    return state_->dir.write_run_file(state_->front.address(), state_->admin.address(),
                                      state_->videos->grpc_address());
}

std::string platform::studio_url() const {
    return "http://" + state_->front.address() + "/?token=" + state_->studio_token;
}

void platform::run_until_signal() {
    const int signal = state_->loop.run_until_done(next_signal({SIGINT, SIGTERM}));
    state_->log.info("stopping", {{"signal", signal}});
    state_->dir.remove_run_file();
    state_->loop.run_until_done(state_->stop());
    state_->log.info("stopped");
    state_->log.flush();
}

}  // namespace vora::all
