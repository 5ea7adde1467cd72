#include "libs/auth/grant.hpp"

#include "libs/auth/key_file.hpp"
#include "libs/auth/private_file.hpp"
#include "libs/auth/strict_json.hpp"
#include "libs/base/assert.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

namespace vora::auth {

// Upload grant:   vg1.{key id}.{base64url JSON}.{hex HMAC over "vora1|upload|{key id}|{base64url
// JSON}"} Playback grant: {key id}.{exp}.{max_height}.{hex HMAC over "vora1|play|{key
// id}|{exp}|{max_height}|{video id}"} The kind is part of what is signed: one can never pass as the
// other. Keys are hexadecimal text and used as that text, since VCL strings hold no NUL.

namespace {

using nlohmann::json;

constexpr std::string_view upload_prefix = "vg1";
constexpr std::size_t grant_bytes_max = 4 << 10;
constexpr std::size_t reference_bytes_max = 256;
constexpr std::int64_t unix_ms_max = 253402300799999;  // the end of 9999
constexpr std::uint64_t height_max = 100'000;

std::unexpected<error> malformed() {
    return fail(errc::unauthenticated, "grant_malformed", "this is not a grant");
}

std::optional<std::array<std::string_view, 4>> split(std::string_view text) {
    std::array<std::string_view, 4> parts;
    for (std::size_t i = 0; i < 3; ++i) {
        const auto dot = text.find('.');
        if (dot == std::string_view::npos) {
            return std::nullopt;
        }
        parts[i] = text.substr(0, dot);
        text.remove_prefix(dot + 1);
    }
    if (text.find('.') != std::string_view::npos) {
        return std::nullopt;
    }
    parts[3] = text;
    return parts;
}

std::string join(std::initializer_list<std::string_view> parts, char separator) {
    std::string out;
    for (const auto part : parts) {
        if (!out.empty()) {
            out += separator;
        }
        out += part;
    }
    return out;
}

result<void> check_mac(const grant_keys& keys, std::string_view key_id, std::string_view mac,
                       std::string_view signed_text) {
    if (!detail::is_key_id(key_id)) {
        return malformed();
    }
    const std::string* key = keys.find(key_id);
    if (key == nullptr) {
        return fail(errc::unauthenticated, "grant_unknown_key", "no key has this id");
    }
    if (!equal_constant_time(hex_encode(hmac_sha256(*key, signed_text)), mac)) {
        return fail(errc::unauthenticated, "grant_bad_signature", "the signature does not match");
    }
    return {};
}

std::unexpected<error> expired() {
    return fail(errc::unauthenticated, "grant_expired", "the grant has expired");
}

const std::string& signing_key(const grant_keys& keys) {
    const std::string* key = keys.find(keys.signing_id());
    VORA_ASSERT(key != nullptr);
    return *key;
}

std::string upload_text(std::string_view key_id, std::string_view payload) {
    return join({"vora1", "upload", key_id, payload}, '|');
}

std::string playback_text(std::string_view key_id, std::string_view expires,
                          std::string_view height, std::string_view video_id) {
    return join({"vora1", "play", key_id, expires, height, video_id}, '|');
}

// One text per number: what was signed is what was read.
std::optional<std::uint64_t> canonical_uint(std::string_view text) {
    const auto value = parse_uint(text);
    if (!value || (text.size() > 1 && text.front() == '0')) {
        return std::nullopt;
    }
    return *value;
}

}  // namespace

struct grant_keys::ring {
    std::map<std::string, std::string, std::less<>> keys;
    std::string signing;
};

result<grant_keys> grant_keys::load_or_create(const std::string& path) {
    auto file = detail::read_key_file(path);
    if (!file && file.error().code == errc::not_found) {
        const auto created =
            detail::create_private_file(path, detail::print_key_file(detail::new_key_file()));
        if (!created && created.error().code != errc::already_exists) {
            return fail(created.error());
        }
        file = detail::read_key_file(path);
    }
    if (!file) {
        return fail(file.error());
    }
    grant_keys keys(std::make_shared<ring>());
    keys.adopt(*file, system_clock_source().now());
    return keys;
}

grant_keys grant_keys::for_tests() {
    return grant_keys(std::make_shared<ring>(
        ring{{{"k1", std::string(64, 'a')}, {"k0", std::string(64, 'b')}}, "k1"}));
}

const std::string* grant_keys::find(std::string_view key_id) const {
    const auto found = ring_->keys.find(key_id);
    return found == ring_->keys.end() ? nullptr : &found->second;
}

const std::string& grant_keys::signing_id() const {
    return ring_->signing;
}

std::size_t grant_keys::live() const {
    return ring_->keys.size();
}

bool grant_keys::adopt(const detail::key_file& file, timestamp now) {
    const auto& signing = file.signing_at(now);
    if (ring_->keys == file.keys && ring_->signing == signing) {
        return false;
    }
    ring_->keys = file.keys;
    ring_->signing = signing;
    return true;
}

std::string sign(const grant_keys& keys, const upload_grant& g) {
    VORA_ASSERT(g.reference.size() <= reference_bytes_max);
    json content = {{"r", g.reference}, {"s", g.subject}, {"e", to_unix_ms(g.expires)}};
    if (g.length_max) {
        content["m"] = *g.length_max;
    }
    const std::string payload =
        base64url_encode(content.dump(-1, ' ', false, json::error_handler_t::replace));
    const std::string mac =
        hex_encode(hmac_sha256(signing_key(keys), upload_text(keys.signing_id(), payload)));
    return join({upload_prefix, keys.signing_id(), payload, mac}, '.');
}

result<upload_grant> verify_upload_grant(const grant_keys& keys, std::string_view text,
                                         timestamp now) {
    const auto parts = text.size() <= grant_bytes_max ? split(text) : std::nullopt;
    if (!parts || (*parts)[0] != upload_prefix) {
        return malformed();
    }
    const auto [prefix, key_id, payload, mac] = *parts;
    const auto genuine = check_mac(keys, key_id, mac, upload_text(key_id, payload));
    if (!genuine) {
        return fail(genuine.error());
    }
    const auto bytes = base64url_decode(payload);
    const auto content = bytes ? detail::parse_object(*bytes) : std::nullopt;
    if (!content) {
        return malformed();
    }
    const auto reference = content->find("r");
    const auto subject = content->find("s");
    const auto expires = content->find("e");
    const auto length_max = content->find("m");
    const auto end = content->end();
    if (reference == end || !reference->is_string() || subject == end || !subject->is_string() ||
        expires == end || !expires->is_number_integer() ||
        (length_max != end && !length_max->is_number_unsigned())) {
        return malformed();
    }
    upload_grant g;
    g.reference = reference->get<std::string>();
    g.subject = subject->get<std::string>();
    const auto expires_ms = expires->get<std::int64_t>();
    if (g.reference.size() > reference_bytes_max || expires_ms < 0 || expires_ms > unix_ms_max) {
        return malformed();
    }
    g.expires = from_unix_ms(expires_ms);
    if (length_max != end) {
        g.length_max = length_max->get<std::uint64_t>();
    }
    if (now >= g.expires) {
        return expired();
    }
    return g;
}

std::string sign(const grant_keys& keys, const playback_grant& g) {
    VORA_ASSERT(g.max_height >= 0);
    const auto seconds_text =
        std::to_string(std::chrono::floor<seconds>(g.expires).time_since_epoch().count());
    const auto height_text = std::to_string(g.max_height);
    const std::string mac =
        hex_encode(hmac_sha256(signing_key(keys), playback_text(keys.signing_id(), seconds_text,
                                                                height_text, g.video_id)));
    return join({keys.signing_id(), seconds_text, height_text, mac}, '.');
}

result<playback_grant> verify_playback_grant(const grant_keys& keys, std::string_view text,
                                             std::string_view video_id, timestamp now) {
    const auto parts = text.size() <= grant_bytes_max ? split(text) : std::nullopt;
    if (!parts) {
        return malformed();
    }
    const auto [key_id, expires_text, height_text, mac] = *parts;
    const auto expires_s = canonical_uint(expires_text);
    const auto height = canonical_uint(height_text);
    if (!expires_s || *expires_s > unix_ms_max / 1000 || !height || *height > height_max) {
        return malformed();
    }
    const auto genuine =
        check_mac(keys, key_id, mac, playback_text(key_id, expires_text, height_text, video_id));
    if (!genuine) {
        return fail(genuine.error());
    }
    const playback_grant g{std::string(video_id), timestamp(seconds(*expires_s)),
                           static_cast<int>(*height)};
    if (now >= g.expires) {
        return expired();
    }
    return g;
}

}  // namespace vora::auth
