#include "services/all/key_watch.hpp"

namespace vora::all {

auth::grant_key_watch::options key_watch_options(std::string path, obs::logger log) {
    auth::grant_key_watch::options o;
    o.path = std::move(path);
    o.on_change = [log](const auth::grant_keys& keys) {
        log.info("grant_keys_changed", {{"signing", keys.signing_id()}, {"live", keys.live()}});
    };
    o.on_failure = [log](const error& e) {
        log.warn("grant_keys_not_read", {{"reason", e.reason}, {"detail", e.detail}});
    };
    return o;
}

}  // namespace vora::all
