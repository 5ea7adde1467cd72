#include "services/upload/app.hpp"

#include "services/upload/adapters/http_hook_sink.hpp"
#include "services/upload/adapters/telemetry.hpp"
#include "services/upload/core/upload_service.hpp"
#include "services/upload/handlers/authorizer.hpp"
#include "services/upload/handlers/internal_handlers.hpp"
#include "services/upload/handlers/tus_handlers.hpp"

#include <algorithm>

namespace vora::upload {

namespace {

using namespace std::chrono_literals;

upload_limits limits_of(const config& c) {
    upload_limits l;
    l.size_max_bytes = static_cast<std::uint64_t>(c.size_max_bytes);
    l.open_per_reference_max = static_cast<std::size_t>(c.open_per_reference_max);
    l.expiry = c.expiry;
    l.tombstone = c.tombstone;
    l.memory_bytes = static_cast<std::uint64_t>(c.memory_bytes);
    l.object_name = c.object_name;
    l.hooks = !c.hook_url.empty();
    return l;
}

}  // namespace

// From the most general to the most particular.
struct app::state {
    state(executor ex, blob::reader& reader, blob::writer& writer, blob::remover& remover,
          const auth::grant_keys& grants, auth::token_verifier tokens, const clock_source& clock,
          obs::logger log_to, obs::metrics& metrics, const config& c, blob::free_space* space)
        : settings(c),
          log(log_to),
          registered(metrics),
          observed(log, metrics),
          files(reader, writer, remover),
          sink(ex, c.hook_url, c.hook_secret, clock),
          service(ex, files, sink, clock, observed, limits_of(c), {.least = c.hook_backoff_least},
                  space),
          who_may(grants, std::move(tokens), clock),
          tus(service, who_may, c.public_url),
          internal(service, c.internal_secret),
          sweep_interval(std::clamp<std::chrono::milliseconds>(c.expiry / 4, 250ms, 30s)),
          background(ex) {}

    task<> keep_sweeping() {
        for (;;) {
            co_await sleep_for(sweep_interval);
            co_await service.sweep();
        }
    }
    task<> keep_counting() {
        auto& known = registered.gauge("vora_upload_known", "uploads with a record in the store");
        auto& pending = registered.gauge("vora_upload_hooks_pending",
                                         "ends of uploads that are still to be told");
        for (;;) {
            known.set(static_cast<double>(service.size()));
            pending.set(static_cast<double>(service.hooks().size()));
            co_await sleep_for(2s);
        }
    }
    task<bool> try_to_recover() {
        auto done = co_await service.recover();
        if (!done) {
            log.warn("recovery_failed",
                     {{"reason", done.error().reason}, {"detail", done.error().detail}});
        }
        co_return done.has_value();
    }
    task<> recover_until_done() {
        for (bool done = false; !done;) {
            co_await sleep_for(2s);
            done = co_await try_to_recover();
        }
    }

    config settings;
    obs::logger log;
    obs::metrics& registered;
    telemetry observed;
    upload_files files;
    http_hook_sink sink;
    upload_service service;
    authorizer who_may;
    tus_handlers tus;
    internal_handlers internal;
    std::chrono::milliseconds sweep_interval;
    task_group background;
};

app::app(executor ex, blob::reader& reader, blob::writer& writer, blob::remover& remover,
         const auth::grant_keys& grants, auth::token_verifier tokens, const clock_source& clock,
         obs::logger log, obs::metrics& metrics, config c, blob::free_space* space)
    : state_(std::make_unique<state>(std::move(ex), reader, writer, remover, grants,
                                     std::move(tokens), clock, std::move(log), metrics, c, space)) {
}

app::~app() = default;

net::router app::public_routes() {
    return state_->tus.routes();
}

net::router app::internal_routes() {
    return state_->internal.routes();
}

task<result<void>> app::start() {
    if (auto ok = state_->settings.check(); !ok) {
        co_return ok;
    }
    const bool recovered = co_await state_->try_to_recover();
    if (!recovered) {
        state_->background.spawn(state_->recover_until_done());
    }
    state_->background.spawn(state_->service.hooks().run());
    state_->background.spawn(state_->keep_sweeping());
    state_->background.spawn(state_->keep_counting());
    state_->log.info("upload_started", {{"uploads", state_->service.size()}});
    co_return result<void>{};
}

task<> app::stop() {
    co_await state_->background.stop();
    state_->sink.close();
}

}  // namespace vora::upload
