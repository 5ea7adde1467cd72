#include "services/gateway/app.hpp"

#include "services/gateway/adapters/http_cache_purger.hpp"
#include "services/gateway/adapters/http_change_listener.hpp"
#include "services/gateway/adapters/http_playback_source.hpp"
#include "services/gateway/core/delivery.hpp"
#include "services/gateway/core/playback_cache.hpp"
#include "services/gateway/core/store_gate.hpp"
#include "services/gateway/handlers/play.hpp"

#include <stdexcept>

namespace vora::gateway {

namespace {

constexpr std::size_t purge_secret_bytes_min = 16;

http_playback_source::options source_options(const config& c) {
    return {c.metadata_url, c.internal_secret, milliseconds(c.metadata_deadline_ms)};
}

cache_options cache_options_of(const config& c) {
    cache_options o;
    o.stale_for = c.stale;
    o.asks_max = static_cast<std::size_t>(c.lookups_max);
    return o;
}

http_cache_purger::options purger_options(const config& c) {
    http_cache_purger::options o;
    o.urls = split_purge_urls(c.purge_urls);
    o.secret = c.purge_secret;
    for (const auto& url : o.urls) {
        if (!url.starts_with("http://") || url.size() == 7) {
            throw std::runtime_error("cache.purge_urls: \"" + url + "\" is no http://HOST:PORT");
        }
    }
    if (!o.urls.empty() && o.secret.size() < purge_secret_bytes_min) {
        throw std::runtime_error(
            "cache.purge_secret: at least 16 characters, for the caches of "
            "cache.purge_urls");
    }
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
    o.resumes_max = c.store_resumes_max;
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
          purger(ex, purger_options(c), log, metrics),
          changes(ex, with_purges(listener_options(c)), cache, log, metrics),
          store(ex, processed, counted(store_options_of(c))),
          objects(ex, store, counted(object_options_of(c))),
          delivery(cache),
          handler(delivery, store, objects, std::move(keys), clock, log, meters,
                  static_cast<std::size_t>(c.answers_max)) {
        if (!c.purge_urls.empty()) {
            handler.advise_shared_cache();
        }
    }

    http_change_listener::options with_purges(http_change_listener::options o) {
        o.on_change = [this](const std::vector<std::string>& videos, bool all) {
            all ? purger.purge_all() : purger.purge(videos);
        };
        return o;
    }

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
    http_cache_purger purger;
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
    parts_->purger.start();
    parts_->changes.start();
}

task<> app::stop() {
    co_await parts_->changes.stop();
    co_await parts_->purger.stop();
    co_await parts_->cache.stop();
    co_await parts_->objects.stop();
    co_await parts_->store.stop();
    parts_->source.close();
}

}  // namespace vora::gateway
