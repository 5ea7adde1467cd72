#include "services/gateway/app.hpp"

#include "services/gateway/adapters/http_playback_source.hpp"
#include "services/gateway/core/delivery.hpp"
#include "services/gateway/core/playback_cache.hpp"
#include "services/gateway/core/store_gate.hpp"
#include "services/gateway/handlers/play.hpp"

namespace vora::gateway {

namespace {

http_playback_source::options source_options(const config& c) {
    return {c.metadata_url, c.internal_secret, milliseconds(c.metadata_deadline_ms)};
}

cache_options cache_options_of(const config& c) {
    cache_options o;
    o.stale_for = c.stale;
    o.asks_max = static_cast<std::size_t>(c.lookups_max);
    return o;
}

store_options store_options_of(const config& c) {
    store_options o;
    o.first_byte_deadline = milliseconds(c.store_deadline_ms);
    o.next_bytes_deadline = milliseconds(c.store_read_deadline_ms);
    return o;
}

}  // namespace

struct app::parts {
    parts(executor ex, blob::reader& processed, auth::grant_keys keys, const clock_source& clock,
          const obs::logger& log, obs::metrics& metrics, const config& c)
        : source(ex, source_options(c), log, metrics),
          cache(ex, source, clock, cache_options_of(c)),
          store(ex, processed, store_options_of(c)),
          delivery(cache),
          handler(delivery, store, std::move(keys), clock, log, metrics,
                  static_cast<std::size_t>(c.answers_max)) {}

    http_playback_source source;
    playback_cache cache;
    store_gate store;
    gateway::delivery delivery;
    play_handler handler;
};

app::app(executor ex, blob::reader& processed, auth::grant_keys keys, const clock_source& clock,
         obs::logger log, obs::metrics& metrics, config c)
    : parts_(std::make_unique<parts>(ex, processed, std::move(keys), clock,
                                     log.for_service("gateway"), metrics, c)) {}

app::~app() = default;

net::router app::public_routes() {
    return parts_->handler.routes();
}

task<> app::stop() {
    co_await parts_->cache.stop();
    co_await parts_->store.stop();
    parts_->source.close();
}

}  // namespace vora::gateway
