#include "services/gateway/app.hpp"

#include "services/gateway/adapters/http_change_listener.hpp"
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

http_change_listener::options listener_options(const config& c) {
    http_change_listener::options o;
    o.url = c.metadata_url;
    o.secret = c.internal_secret;
    o.margin = milliseconds(c.metadata_deadline_ms);
    return o;
}

object_cache_options object_options_of(const config& c) {
    object_cache_options o;
    o.bytes_max = static_cast<std::uint64_t>(c.cache_bytes);
    o.object_bytes_max = o.bytes_max / 4;
    o.first_byte_deadline = milliseconds(c.store_deadline_ms);
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
        : meters(metrics),
          source(ex, source_options(c), log, metrics),
          cache(ex, source, clock, cache_options_of(c)),
          changes(ex, listener_options(c), cache, log, metrics),
          store(ex, processed, counted(store_options_of(c))),
          objects(ex, store, counted(object_options_of(c))),
          delivery(cache),
          handler(delivery, store, objects, std::move(keys), clock, log, meters,
                  static_cast<std::size_t>(c.answers_max)) {}

    store_options counted(store_options o) {
        o.on_event = [this](store_event e) { meters.count(e); };
        return o;
    }
    object_cache_options counted(object_cache_options o) {
        o.on_event = [this](cache_event e) { meters.count(e); };
        o.on_bytes = [this](std::uint64_t n) { meters.cache_bytes.set(static_cast<double>(n)); };
        return o;
    }

    play_meters meters;
    http_playback_source source;
    playback_cache cache;
    http_change_listener changes;
    store_gate store;
    object_cache objects;
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

void app::start() {
    parts_->changes.start();
}

task<> app::stop() {
    co_await parts_->changes.stop();
    co_await parts_->cache.stop();
    co_await parts_->objects.stop();
    co_await parts_->store.stop();
    parts_->source.close();
}

}  // namespace vora::gateway
