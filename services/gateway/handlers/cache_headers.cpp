#include "services/gateway/handlers/cache_headers.hpp"

#include "libs/base/assert.hpp"

#include <algorithm>

namespace vora::gateway {

namespace {

constexpr seconds master_lifetime{10};
constexpr seconds thumbnail_lifetime{86'400};
constexpr seconds year{31'536'000};
// A cache that is purged may have it as long as it likes; this bounds what a lost purge costs.
constexpr seconds shared_master_lifetime{300};
constexpr seconds missing_lifetime{2};

seconds lifetime(object_kind k) {
    switch (k) {
        case object_kind::master:
            return master_lifetime;
        case object_kind::thumbnail:
            return thumbnail_lifetime;
        case object_kind::playlist:
        case object_kind::segment:
            return year;
    }
    VORA_ASSERT(false);
}

}  // namespace

std::string_view content_type(object_kind k) {
    switch (k) {
        case object_kind::master:
        case object_kind::playlist:
            return "application/vnd.apple.mpegurl";
        case object_kind::segment:
            return "video/mp2t";
        case object_kind::thumbnail:
            return "image/jpeg";
    }
    VORA_ASSERT(false);
}

std::string cache_control(object_kind k, std::optional<seconds> left) {
    const auto age = left ? std::clamp(*left, seconds(0), lifetime(k)) : lifetime(k);
    std::string value = left ? "private, max-age=" : "public, max-age=";
    value += std::to_string(age.count());
    if (k == object_kind::master) {
        // As long in shared caches: nobody purges them when a video goes private.
        value += left ? "" : ", s-maxage=" + std::to_string(master_lifetime.count());
    } else if (k != object_kind::thumbnail) {
        value += ", immutable";
    }
    return value;
}

cache_advice advice_for(object_kind k, bool has_grant, bool found) {
    cache_advice a;
    a.viewers = has_grant ? "signed" : "public";
    a.shared = !found ? missing_lifetime : k == object_kind::master ? shared_master_lifetime : year;
    a.browser = found ? lifetime(k) : seconds(0);
    return a;
}

std::string cache_advice::text() const {
    return "class=" + std::string(viewers) + "; ttl=" + std::to_string(shared.count()) +
           "; age=" + std::to_string(browser.count());
}

}  // namespace vora::gateway
