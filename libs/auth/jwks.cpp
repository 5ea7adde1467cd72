#include "libs/auth/jwks.hpp"

#include "libs/auth/strict_json.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>
#include <optional>

namespace vora::auth {

namespace {

using nlohmann::json;

constexpr std::size_t kid_bytes_max = 256;

std::unexpected<error> bad_set(std::string detail) {
    return fail(errc::data_loss, "bad_jwks", std::move(detail));
}

std::optional<std::string> text_of(const json& key, const char* name) {
    const auto found = key.find(name);
    if (found == key.end() || !found->is_string()) {
        return std::nullopt;
    }
    return found->get<std::string>();
}

result<std::string> bytes_of(const json& key, const char* name) {
    const auto text = text_of(key, name);
    if (!text || text->empty()) {
        return bad_set(std::string("a key has no ") + name);
    }
    auto bytes = base64url_decode(*text);
    if (!bytes) {
        return bad_set(std::string(name) + " of a key is not base64url");
    }
    return bytes;
}

// The algorithm that keys of this kind have here; nullopt for all other kinds.
std::optional<signature_algorithm> algorithm_of(const json& key) {
    const auto kind = text_of(key, "kty");
    if (kind == "RSA") {
        return signature_algorithm::rs256;
    }
    if (kind == "EC" && text_of(key, "crv") == "P-256") {
        return signature_algorithm::es256;
    }
    if (kind == "OKP" && text_of(key, "crv") == "Ed25519") {
        return signature_algorithm::eddsa;
    }
    return std::nullopt;
}

bool is_for_checking(const json& key, signature_algorithm algorithm) {
    if (key.contains("use") && text_of(key, "use") != "sig") {
        return false;
    }
    if (key.contains("alg") && text_of(key, "alg") != to_string(algorithm)) {
        return false;
    }
    if (const auto ops = key.find("key_ops"); ops != key.end()) {
        return ops->is_array() && std::ranges::find(*ops, json("verify")) != ops->end();
    }
    return true;
}

result<public_key> read_key(const json& key, signature_algorithm algorithm) {
    const bool is_rsa = algorithm == signature_algorithm::rs256;
    auto first = bytes_of(key, is_rsa ? "n" : "x");
    if (!first) {
        return fail(std::move(first.error()));
    }
    if (algorithm == signature_algorithm::eddsa) {
        return public_key::ed25519(*first);
    }
    auto second = bytes_of(key, is_rsa ? "e" : "y");
    if (!second) {
        return fail(std::move(second.error()));
    }
    return is_rsa ? public_key::rsa(*first, *second) : public_key::p256(*first, *second);
}

}  // namespace

result<key_set> parse_jwks(std::string_view text) {
    if (text.size() > jwks_bytes_max) {
        return bad_set("the key set is too large");
    }
    const auto document = detail::parse_object(text);
    if (!document) {
        return bad_set("not a plain JSON object");
    }
    const auto keys = document->find("keys");
    if (keys == document->end() || !keys->is_array() || keys->size() > jwks_keys_max) {
        return bad_set("keys is not a list of at most 64");
    }
    key_set usable;
    for (const auto& key : *keys) {
        if (!key.is_object()) {
            return bad_set("a key is not an object");
        }
        const auto kid = text_of(key, "kid");
        const auto algorithm = algorithm_of(key);
        if (!kid || kid->empty() || !algorithm || !is_for_checking(key, *algorithm)) {
            continue;
        }
        if (kid->size() > kid_bytes_max || key.contains("d")) {
            continue;  // whoever reads a private key can sign with it
        }
        auto read = read_key(key, *algorithm);
        if (!read) {
            continue;
        }
        if (!usable.emplace(*kid, std::move(*read)).second) {
            return bad_set("two keys have one kid");
        }
    }
    return usable;
}

}  // namespace vora::auth
