#include "services/dashboard/core/one_time_links.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

namespace vora::dashboard {

std::string one_time_links::issue(timestamp now) {
    drop_expired(now);
    if (links_.size() >= links_max) {
        links_.erase(links_.begin());
    }
    auto token = base64url_encode(random_bytes(32));
    links_.push_back({sha256(token), now + ttl_});
    return token;
}

bool one_time_links::redeem(std::string_view token, timestamp now) {
    drop_expired(now);
    const auto digest = sha256(token);
    auto found = links_.end();
    for (auto it = links_.begin(); it != links_.end(); ++it) {
        if (equal_constant_time(it->digest, digest)) {
            found = it;  // no early end: the time tells nothing
        }
    }
    if (found == links_.end()) {
        return false;
    }
    links_.erase(found);
    return true;
}

void one_time_links::drop_expired(timestamp now) {
    std::erase_if(links_, [now](const link& l) { return l.expires <= now; });
}

}  // namespace vora::dashboard
