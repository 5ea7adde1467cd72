#include "services/metadata/handlers/playback_offer.hpp"

#include <nlohmann/json.hpp>

namespace vora::metadata {

namespace {

// "/media" of "https://example.org/media".
std::string_view path_of(std::string_view base) {
    const auto host = base.find("://");
    const auto slash = base.find('/', host == base.npos ? 0 : host + 3);
    return slash == base.npos ? std::string_view() : base.substr(slash);
}

// Sent back for this video's files only, never to a script, never from another site's page.
std::string cookie_of(std::string_view base, const video_id& id, const std::string& grant,
                      timestamp expires, std::chrono::seconds ttl) {
    const bool secure = base.starts_with("https://");
    std::string cookie(secure ? auth::playback_cookie_secure : auth::playback_cookie);
    cookie += "=" + grant + "; Path=" + std::string(path_of(base)) + "/play/cookie/" + id.value;
    cookie += "/; Max-Age=" + std::to_string(ttl.count()) + "; Expires=" + to_http_date(expires);
    return cookie + "; HttpOnly; SameSite=Lax" + (secure ? "; Secure" : "");
}

}  // namespace

result<playback_offer> offer_playback(const video& v, const playback_terms& terms,
                                      const url_bases& bases, const auth::grant_keys& keys,
                                      timestamp now) {
    if (!is_playable(v)) {
        return fail(errc::failed_precondition, "not_playable",
                    "the video is " + std::string(to_string(v.state)));
    }
    playback_offer offer;
    offer.expires = std::chrono::floor<std::chrono::seconds>(now) + terms.ttl;
    const auto grant =
        auth::sign(keys, auth::playback_grant{v.id.value, offer.expires, terms.max_height});
    const auto base = bases.play + "/play/" + grant + "/" + v.id.value;
    offer.manifest_url = base + "/master.m3u8";
    offer.poster_url = base + "/thumbnail.jpg";
    // Behind '#', so that the grant reaches no log and no Referer.
    offer.embed_url = bases.api + "/embed/" + v.id.value + "#grant=" + grant;
    offer.cookie = cookie_of(bases.play, v.id, grant, offer.expires, terms.ttl);
    return offer;
}

std::string render_playback(const playback_offer& offer) {
    return nlohmann::ordered_json{{"manifest_url", offer.manifest_url},
                                  {"poster_url", offer.poster_url},
                                  {"embed_url", offer.embed_url},
                                  {"expires_at", to_rfc3339(offer.expires)},
                                  {"cookie", offer.cookie}}
        .dump();
}

}  // namespace vora::metadata
