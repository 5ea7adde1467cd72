#pragma once
// Signed grants: HMAC-SHA256 over a version, a kind, the key id and what is granted. Two kinds:
//  - upload grants (opaque to clients) carry an opaque reference for the upload service;
//  - playback grants stand in the URL path: [A-Za-z0-9_.-] only, so that relative URIs inherit them
//  and
//    VCL can check them with digest.hmac_sha256.
// Deterministic: the same inputs give the same text. No host or port is bound.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vora::auth {

namespace detail {
struct key_file;
}

// Live keys by id; the one named `signing` signs. Kept in a 0600 file, made at first start. Copies
// are the same keys: when the file changes (key_ring.hpp), all have the new ones. One loop.
class grant_keys {
 public:
    static result<grant_keys> load_or_create(const std::string& path);
    static grant_keys for_tests();
    // Good until the loop goes on to something else.
    const std::string* find(std::string_view key_id) const;
    const std::string& signing_id() const;
    std::size_t live() const;

    // Takes over these keys, here and in all copies; false when they are the ones it has.
    bool adopt(const detail::key_file& file, timestamp now);

 private:
    struct ring;
    explicit grant_keys(std::shared_ptr<ring> r) : ring_(std::move(r)) {}
    std::shared_ptr<ring> ring_;
};

struct upload_grant {
    std::string reference;  // opaque, at most 256 bytes
    std::string subject;    // whose upload this is
    std::optional<std::uint64_t> length_max;
    timestamp expires;
};

std::string sign(const grant_keys& keys, const upload_grant& g);
// unauthenticated: "grant_malformed", "grant_bad_signature", "grant_unknown_key", "grant_expired".
result<upload_grant> verify_upload_grant(const grant_keys& keys, std::string_view text,
                                         timestamp now);

// The cookie that carries a playback grant under /play/cookie; the second name over https.
inline constexpr std::string_view playback_cookie = "vora_play";
inline constexpr std::string_view playback_cookie_secure = "__Secure-vora_play";

struct playback_grant {
    std::string video_id;
    timestamp expires;   // whole seconds
    int max_height = 0;  // short side in pixels; 0 = no cap
};

std::string sign(const grant_keys& keys, const playback_grant& g);
// The video is the one in the URL: it is part of what was signed, not of the text.
result<playback_grant> verify_playback_grant(const grant_keys& keys, std::string_view text,
                                             std::string_view video_id, timestamp now);

}  // namespace vora::auth
