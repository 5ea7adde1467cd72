#include "services/metadata/app.hpp"

#include "services/metadata/adapters/background.hpp"
#include "services/metadata/adapters/durable_workflow_engine.hpp"
#include "services/metadata/adapters/repository_by_url.hpp"
#include "services/metadata/adapters/upload_service_client.hpp"
#include "services/metadata/core/retry.hpp"
#include "services/metadata/handlers/activities.hpp"
#include "services/metadata/handlers/grpc_video_service.hpp"
#include "services/metadata/handlers/internal_api.hpp"
#include "services/metadata/handlers/internal_changes.hpp"
#include "services/metadata/handlers/openapi.hpp"
#include "services/metadata/handlers/rest_api.hpp"

#include <algorithm>
#include <stdexcept>

namespace vora::metadata {

namespace {

std::unique_ptr<sql_video_repository> repository_of(const config& c, executor ex,
                                                    blocking_pool& pool) {
    auto made = make_repository(std::move(ex), pool, c.database,
                                static_cast<std::size_t>(c.database_connections));
    if (!made) {
        throw std::runtime_error("metadata.database: " + made.error().detail);
    }
    return std::move(*made);
}

background_options background_options_of(const config& c) {
    background_options o;
    o.settle_interval = std::max<milliseconds>(c.settle_interval, 100ms);
    o.collect_interval =
        std::max<milliseconds>(std::min(c.settle_interval, c.raw_retention), 1'000ms);
    return o;
}

durable::activity_worker_options worker_options() {
    durable::activity_worker_options o;
    o.task_queue = "metadata";
    o.concurrency = 8;
    return o;
}

// Where a client of gRPC finds uploads, playback and pages.
url_bases bases_of(const config& c) {
    const auto base = [&](const std::string& configured) {
        std::string url = configured.empty() ? c.http_origin : configured;
        while (url.ends_with('/')) {
            url.pop_back();
        }
        return url;
    };
    return {base(c.public_upload_url), base(c.public_play_url), base(c.public_api_url)};
}

rpc::server_options grpc_options(const config& c) {
    rpc::server_options o;
    o.name = "metadata";
    o.address = c.grpc_listen;
    return o;
}

}  // namespace

// From the most general to the most particular; destroyed in reverse.
struct app::state {
    state(executor ex, blocking_pool& pool, const clock_source& clock, durable::client& engine,
          durable::activity_source& source, auth::token_verifier verifier, auth::grant_keys grants,
          const obs::logger& log, obs::metrics& metrics, const config& c)
        : keys(std::move(grants)),
          http(ex),
          store(repository_of(c, ex, pool)),
          repository(*store),
          feed(ex),
          uploads(http, {c.upload_internal_url, c.internal_secret}),
          workflows(engine, {c.duration_max_s, c.pixels_max, c.cpu_factor_max, c.retry_budget_s}),
          all(repository, clock, c.upload_grant_ttl, [this] { loops.wake_relay(); }),
          ends(
              repository, uploads, clock, [this] { loops.wake_relay(); },
              [this] { loops.wake_collector(); }),
          once(repository, clock, c.idempotency_ttl),
          commanded(all, ends, once),
          runs(repository, uploads, workflows, clock),
          again(repository, uploads, clock, [this] { loops.wake_relay(); }),
          progress(workflows, clock),
          relay(repository, workflows, clock),
          sweeps(repository, workflows, ends, clock, [this] { loops.wake_relay(); }),
          collector(repository, uploads, clock, c.raw_retention),
          loops(ex, relay, sweeps, collector, repository, clock, background_options_of(c), log,
                metrics),
          who(std::move(verifier), clock, c.public_api_url),
          rest(all, commanded, progress, who, keys, clock,
               {c.public_upload_url, c.public_play_url, c.public_api_url}, log, metrics),
          internal(repository, ends, clock, c.internal_secret, c.hook_secret, log, metrics),
          changes(feed, c.internal_secret),
          calls(all, commanded, progress, who, keys, clock, bases_of(c), log, metrics),
          grpc(ex, pool, grpc_options(c), {calls.service()}, log, metrics),
          worker(ex, source, make_activities(runs, log, metrics), worker_options(), log) {
        repository.on_updated([this](const video_id& id) { feed.publish(id); });
        repository.on_missed([this] { feed.forget(); });
    }

    auth::grant_keys keys;
    net::client http;
    std::unique_ptr<sql_video_repository> store;
    sql_video_repository& repository;
    change_feed feed;
    upload_service_client uploads;
    durable_workflow_engine workflows;
    videos all;
    completion ends;
    idempotency once;
    commands commanded;
    processing runs;
    ingest_retry again;
    progress_reader progress;
    outbox_relay relay;
    settler sweeps;
    raw_collector collector;
    background loops;
    authenticator who;
    rest_api rest;
    internal_api internal;
    internal_changes changes;
    grpc_video_service calls;
    rpc::server grpc;
    durable::activity_worker worker;
    bool opened = false;
};

app::app(executor ex, blocking_pool& pool, const clock_source& clock, durable::client& engine,
         durable::activity_source& activities, auth::token_verifier verifier, auth::grant_keys keys,
         obs::logger log, obs::metrics& metrics, config settings)
    : state_(std::make_unique<state>(ex, pool, clock, engine, activities, std::move(verifier),
                                     std::move(keys), log.for_service("metadata"), metrics,
                                     settings)) {}

app::~app() = default;

net::router app::public_routes() {
    auto routes = state_->rest.routes();
    routes.merge(openapi_routes());
    return routes;
}

net::router app::internal_routes() {
    auto routes = state_->internal.routes();
    routes.merge(state_->changes.routes());
    return routes;
}

void app::open() {
    if (auto opened = state_->repository.open(); !opened) {
        throw std::runtime_error("metadata database: " + opened.error().reason + ": " +
                                 opened.error().detail);
    }
    state_->opened = true;
}

void app::start() {
    if (!state_->opened) {
        open();
    }
    if (auto listening = state_->grpc.start(); !listening) {
        throw std::runtime_error("metadata.grpc_listen: " + listening.error().detail);
    }
    state_->loops.start();
    state_->worker.start();
}

std::string app::grpc_address() const {
    return state_->grpc.address();
}

task<> app::stop() {
    state_->feed.close();
    co_await state_->grpc.stop();
    co_await state_->worker.stop();
    co_await state_->loops.stop();
    state_->http.close();
}

task<result<std::int64_t>> app::retry_ingest(std::string id, std::int64_t generation) {
    return state_->again.retry(video_id{std::move(id)}, generation);
}

task<std::vector<dependency_status>> app::readiness() {
    std::vector<dependency_status> all;
    auto reached = co_await state_->repository.ping();
    all.push_back({"database", reached ? "ok" : "down", reached ? "" : reached.error().reason});
    // Without the engine videos are taken in and wait.
    const bool away = state_->relay.is_open();
    all.push_back({"workflow_engine", away ? "degraded" : "ok", away ? "not answering" : ""});
    co_return all;
}

}  // namespace vora::metadata
