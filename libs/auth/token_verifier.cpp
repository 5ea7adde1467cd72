#include "libs/auth/jwt_detail.hpp"
#include "libs/base/encoding.hpp"

#include <array>
#include <optional>

namespace vora::auth {

namespace {

std::unexpected<error> refuse(std::string reason, std::string detail) {
    return fail(errc::unauthenticated, std::move(reason), std::move(detail));
}

// Exactly "header.claims.signature".
std::optional<std::array<std::string_view, 3>> split_token(std::string_view token) {
    const auto first = token.find('.');
    if (first == std::string_view::npos) {
        return std::nullopt;
    }
    const auto second = token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
        return std::nullopt;
    }
    return std::array{token.substr(0, first), token.substr(first + 1, second - first - 1),
                      token.substr(second + 1)};
}

// A token taken apart; the views point into the token.
struct token_parts {
    detail::token_header header;
    std::string claims;
    std::string signature;
    std::string_view signed_text;
};

result<token_parts> take_apart(std::string_view token) {
    if (token.size() > detail::token_bytes_max) {
        return refuse("token_malformed", "the token is too long");
    }
    const auto parts = split_token(token);
    if (!parts) {
        return refuse("token_malformed", "a token has three parts");
    }
    const auto [header_text, claims_text, signature_text] = *parts;
    const auto header_json = base64url_decode(header_text);
    auto claims = base64url_decode(claims_text);
    auto signature = base64url_decode(signature_text);
    if (!header_json || !claims || !signature) {
        return refuse("token_malformed", "a part is not base64url");
    }
    auto header = detail::read_header(*header_json);
    if (!header) {
        return fail(std::move(header.error()));
    }
    return token_parts{std::move(*header), std::move(*claims), std::move(*signature),
                       token.substr(0, header_text.size() + 1 + claims_text.size())};
}

result<void> check_signature(const public_key& key, const token_parts& t) {
    if (t.header.algorithm != key.algorithm()) {
        return refuse("token_wrong_algorithm", "the key is not for this alg");
    }
    if (!key.verify(t.signed_text, t.signature)) {
        return refuse("token_bad_signature", "the signature does not match");
    }
    return {};
}

}  // namespace

struct token_verifier::state {
    key_set keys;
    std::shared_ptr<key_source> other;
};

token_verifier::token_verifier() : state_(std::make_unique<state>()) {}
token_verifier::~token_verifier() = default;
token_verifier::token_verifier(token_verifier&&) noexcept = default;

result<void> token_verifier::add_key(const std::string& public_key_pem, const std::string& key_id) {
    auto key = public_key::ed25519_from_pem(public_key_pem);
    if (!key) {
        return fail(std::move(key.error()));
    }
    if (key_id.empty()) {
        return fail(errc::invalid_argument, "bad_key_id", "a key needs an id");
    }
    state_->keys.insert_or_assign(key_id, std::move(*key));
    return {};
}

void token_verifier::trust(std::shared_ptr<key_source> other) {
    state_->other = std::move(other);
}

result<principal> token_verifier::verify(std::string_view token, timestamp now) const {
    const auto parts = take_apart(token);
    if (!parts) {
        return fail(parts.error());
    }
    // A key counts for its own issuer only; ours come first.
    const auto local = state_->keys.find(parts->header.key_id);
    if (local != state_->keys.end()) {
        if (auto ok = check_signature(local->second, *parts); !ok) {
            return fail(std::move(ok.error()));
        }
        if (parts->header.access_token) {
            return refuse("token_malformed", "typ is not JWT");
        }
        return detail::read_claims(parts->claims, now);
    }
    if (!state_->other) {
        return refuse("token_unknown_key", "no key has this kid");
    }
    const auto keys = state_->other->keys();
    const auto foreign = keys->find(parts->header.key_id);
    if (foreign == keys->end()) {
        return refuse("token_unknown_key", "no key has this kid");
    }
    if (auto ok = check_signature(foreign->second, *parts); !ok) {
        return fail(std::move(ok.error()));
    }
    return detail::read_foreign_claims(parts->claims, state_->other->rules(), now);
}

task<result<principal>> token_verifier::check(std::string token, timestamp now) const {
    auto first = verify(token, now);
    const auto other = state_->other;
    if (first || !other || first.error().reason != "token_unknown_key") {
        co_return first;
    }
    co_await other->refresh();
    co_return verify(token, now);
}

}  // namespace vora::auth
