#include "libs/service/keys/grant_ring.hpp"

#include "libs/service/or_throw.hpp"

#include <filesystem>

namespace vora::service {

namespace {

auth::grant_keys open_ring(const std::string& path, absent_ring absent) {
    std::error_code unreadable;
    if (absent == absent_ring::refuse && !std::filesystem::exists(path, unreadable)) {
        throw std::runtime_error("keys.grants_file: " + path +
                                 " is not there: the metadata service makes it at its first start");
    }
    return or_throw(auth::grant_keys::load_or_create(path), "grant keys");
}

auth::grant_key_watch::options watch_options(const std::string& path, const obs::logger& log) {
    auth::grant_key_watch::options o;
    o.path = path;
    o.on_change = [log](const auth::grant_keys& keys) {
        log.info("grant_keys_changed", {{"signing", keys.signing_id()}, {"live", keys.live()}});
    };
    o.on_failure = [log](const error& e) {
        log.warn("grant_keys_not_read", {{"reason", e.reason}, {"detail", e.detail}});
    };
    return o;
}

}  // namespace

grant_ring::grant_ring(executor ex, blocking_pool& pool, const clock_source& clock,
                       const std::string& path, obs::logger log, absent_ring absent)
    : keys_(open_ring(path, absent)), watch_(ex, pool, keys_, clock, watch_options(path, log)) {}

void grant_ring::start() {
    watch_.start();
}

task<> grant_ring::stop() {
    co_await watch_.stop();
}

}  // namespace vora::service
