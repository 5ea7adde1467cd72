#include "libs/auth/jwt.hpp"

#include "libs/auth/jwt_detail.hpp"
#include "libs/auth/private_file.hpp"
#include "libs/auth/strict_json.hpp"
#include "libs/base/assert.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <optional>

namespace vora::auth {

namespace {

using nlohmann::json;
using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using digest_ptr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr std::string_view issuer_name = "vora";
constexpr std::string_view algorithm = "EdDSA";
constexpr std::size_t signature_bytes = 64;
// For times that another machine's clock set. A token never lives longer than its exp.
constexpr auto leeway = 60s;
constexpr std::int64_t year_9999_s = 253402300799;

std::unexpected<error> refuse(std::string reason, std::string detail) {
    return fail(errc::unauthenticated, std::move(reason), std::move(detail));
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

bio_ptr bio_over(const std::string& text) {
    return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

// A PEM file that asks for a passphrase must not read from the terminal.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

std::string raw_public_key(const EVP_PKEY* key) {
    std::size_t size = 32;
    std::string raw(size, '\0');
    VORA_ASSERT(
        EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(raw.data()), &size) == 1);
    VORA_ASSERT(size == raw.size());
    return raw;
}

// RFC 7638: the key names itself, so two installations never share an id by accident.
std::string thumbprint(const EVP_PKEY* key) {
    const std::string x = base64url_encode(raw_public_key(key));
    return base64url_encode(sha256(R"({"crv":"Ed25519","kty":"OKP","x":")" + x + "\"}"));
}

std::string sign_ed25519(EVP_PKEY* key, std::string_view text) {
    const digest_ptr context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    std::string signature(signature_bytes, '\0');
    std::size_t size = signature.size();
    VORA_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1);
    VORA_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                               &size, bytes_of(text), text.size()) == 1);
    VORA_ASSERT(size == signature_bytes);
    return signature;
}

bool verify_ed25519(EVP_PKEY* key, std::string_view text, std::string_view signature) {
    if (signature.size() != signature_bytes) {
        return false;
    }
    const digest_ptr context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                            text.size()) == 1;
}

bool is_plain_text(std::string_view text, std::size_t bytes_max) {
    return !text.empty() && text.size() <= bytes_max &&
           std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
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

// A NumericDate: an integer in a sane range. Floats and strings are refused, not rounded.
result<std::optional<timestamp>> numeric_date(const json& claims, const char* name) {
    const auto found = claims.find(name);
    if (found == claims.end()) {
        return std::nullopt;
    }
    if (!found->is_number_integer() ||
        (found->is_number_unsigned() && found->get<std::uint64_t>() > year_9999_s)) {
        return refuse("token_bad_claims", std::string(name) + " is not a number of seconds");
    }
    const auto value = found->get<std::int64_t>();
    if (value < 0) {
        return refuse("token_bad_claims", std::string(name) + " is negative");
    }
    return timestamp(seconds(value));
}

bool is_text(const json& object, const char* name, std::string_view expected) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() &&
           found->get_ref<const std::string&>() == expected;
}

result<timestamp> check_times(const json& claims, timestamp now) {
    const auto expires = numeric_date(claims, "exp");
    if (!expires) {
        return fail(expires.error());
    }
    if (!*expires) {
        return refuse("token_bad_claims", "exp is missing");
    }
    if (now >= **expires) {
        return refuse("token_expired", "the token has expired");
    }
    for (const char* name : {"nbf", "iat"}) {
        const auto begins = numeric_date(claims, name);
        if (!begins) {
            return fail(begins.error());
        }
        if (*begins && **begins > now + leeway) {
            return refuse("token_not_yet_valid", std::string(name) + " lies in the future");
        }
    }
    return **expires;
}

}  // namespace

std::string_view to_string(scope s) {
    switch (s) {
        case scope::view:
            return "view";
        case scope::edit:
            return "edit";
        case scope::admin:
            return "admin";
    }
    VORA_ASSERT(false);
}

result<scope> parse_scope(std::string_view text) {
    for (const auto s : {scope::view, scope::edit, scope::admin}) {
        if (text == to_string(s)) {
            return s;
        }
    }
    return fail(errc::invalid_argument, "bad_scope", "the scopes are view, edit and admin");
}

namespace detail {

result<std::string> read_header(std::string_view text) {
    const auto header = parse_object(text);
    if (!header) {
        return refuse("token_malformed", "the header is not a plain JSON object");
    }
    if (!is_text(*header, "alg", algorithm)) {
        return refuse("token_wrong_algorithm", "alg is not EdDSA");
    }
    // What names or carries a key, or changes how the token is to be read, is refused, not ignored.
    for (const char* name : {"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"}) {
        if (header->contains(name)) {
            return refuse("token_malformed", std::string("the header holds ") + name);
        }
    }
    if (header->contains("typ") && !is_text(*header, "typ", "JWT")) {
        return refuse("token_malformed", "typ is not JWT");
    }
    const auto kid = header->find("kid");
    if (kid == header->end() || !kid->is_string()) {
        return refuse("token_unknown_key", "the header has no kid");
    }
    return kid->get<std::string>();
}

result<principal> read_claims(std::string_view text, timestamp now) {
    const auto claims = parse_object(text);
    if (!claims) {
        return refuse("token_malformed", "the claims are not a plain JSON object");
    }
    if (!is_text(*claims, "iss", issuer_name)) {
        return refuse("token_wrong_issuer", "iss is another");
    }
    if (!is_text(*claims, "aud", audience)) {
        return refuse("token_wrong_audience", "aud is another");
    }
    const auto expires = check_times(*claims, now);
    if (!expires) {
        return fail(expires.error());
    }
    const auto subject = claims->find("sub");
    if (subject == claims->end() || !subject->is_string() ||
        !is_plain_text(subject->get_ref<const std::string&>(), 256)) {
        return refuse("token_bad_claims", "sub is not a name");
    }
    const auto scope_text = claims->find("scope");
    if (scope_text == claims->end() || !scope_text->is_string()) {
        return refuse("token_bad_claims", "scope is missing");
    }
    const auto granted = parse_scope(scope_text->get_ref<const std::string&>());
    if (!granted) {
        return refuse("token_bad_claims", "scope is unknown");
    }
    return principal{subject->get<std::string>(), *granted, *expires};
}

}  // namespace detail

struct token_issuer::state {
    key_ptr key{nullptr, &EVP_PKEY_free};
    std::string key_id;
};

token_issuer::token_issuer(std::unique_ptr<state> s) : state_(std::move(s)) {}
token_issuer::token_issuer(token_issuer&&) noexcept = default;
token_issuer::~token_issuer() = default;

namespace {

result<key_ptr> read_private_key(const std::string& path) {
    const auto pem = detail::read_private_file(path);
    if (!pem) {
        return fail(pem.error());
    }
    const auto bio = bio_over(*pem);
    key_ptr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr),
                &EVP_PKEY_free);
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
        return fail(errc::data_loss, "key_file_damaged", path + " holds no Ed25519 private key");
    }
    return key;
}

result<void> write_new_private_key(const std::string& path) {
    const key_ptr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
    VORA_ASSERT(key != nullptr);
    const bio_ptr bio(BIO_new(BIO_s_mem()), &BIO_free);
    VORA_ASSERT(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) == 1);
    return detail::create_private_file(path, text_of(bio.get()));
}

}  // namespace

result<token_issuer> token_issuer::load_or_create(const std::string& key_path) {
    auto key = read_private_key(key_path);
    if (!key && key.error().code == errc::not_found) {
        const auto created = write_new_private_key(key_path);
        if (!created && created.error().code != errc::already_exists) {
            return fail(created.error());
        }
        key = read_private_key(key_path);
    }
    if (!key) {
        return fail(key.error());
    }
    auto s = std::make_unique<state>();
    s->key_id = thumbprint(key->get());
    s->key = std::move(*key);
    return token_issuer(std::move(s));
}

std::string token_issuer::mint(std::string_view subject, scope s, timestamp now,
                               std::chrono::seconds ttl) const {
    const json header = {{"alg", algorithm}, {"kid", state_->key_id}, {"typ", "JWT"}};
    const auto issued = std::chrono::floor<seconds>(now);
    const json claims = {{"iss", issuer_name},
                         {"aud", audience},
                         {"sub", subject},
                         {"scope", to_string(s)},
                         {"iat", issued.time_since_epoch().count()},
                         {"exp", (issued + ttl).time_since_epoch().count()},
                         {"jti", random_hex(16)}};
    const auto encode = [](const json& part) {
        return base64url_encode(part.dump(-1, ' ', false, json::error_handler_t::replace));
    };
    const std::string signed_text = encode(header) + "." + encode(claims);
    return signed_text + "." + base64url_encode(sign_ed25519(state_->key.get(), signed_text));
}

std::string token_issuer::public_key_pem() const {
    const bio_ptr bio(BIO_new(BIO_s_mem()), &BIO_free);
    VORA_ASSERT(PEM_write_bio_PUBKEY(bio.get(), state_->key.get()) == 1);
    return text_of(bio.get());
}

std::string token_issuer::key_id() const {
    return state_->key_id;
}

struct token_verifier::state {
    std::map<std::string, key_ptr, std::less<>> keys;
};

token_verifier::token_verifier() : state_(std::make_unique<state>()) {}
token_verifier::~token_verifier() = default;
token_verifier::token_verifier(token_verifier&&) noexcept = default;

result<void> token_verifier::add_key(const std::string& public_key_pem, const std::string& key_id) {
    const auto bio = bio_over(public_key_pem);
    key_ptr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr), &EVP_PKEY_free);
    // The algorithm belongs to the key: with Ed25519 keys only, no other can be asked for.
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
        return fail(errc::invalid_argument, "bad_public_key", "not an Ed25519 public key in PEM");
    }
    if (key_id.empty()) {
        return fail(errc::invalid_argument, "bad_key_id", "a key needs an id");
    }
    state_->keys.insert_or_assign(key_id, std::move(key));
    return {};
}

result<principal> token_verifier::verify(std::string_view token, timestamp now) const {
    if (token.size() > detail::token_bytes_max) {
        return refuse("token_malformed", "the token is too long");
    }
    const auto parts = split_token(token);
    if (!parts) {
        return refuse("token_malformed", "a token has three parts");
    }
    const auto [header_text, claims_text, signature_text] = *parts;
    const auto header = base64url_decode(header_text);
    const auto claims = base64url_decode(claims_text);
    const auto signature = base64url_decode(signature_text);
    if (!header || !claims || !signature) {
        return refuse("token_malformed", "a part is not base64url");
    }
    const auto key_id = detail::read_header(*header);
    if (!key_id) {
        return fail(key_id.error());
    }
    const auto key = state_->keys.find(*key_id);
    if (key == state_->keys.end()) {
        return refuse("token_unknown_key", "no key has this kid");
    }
    const auto signed_text = token.substr(0, header_text.size() + 1 + claims_text.size());
    if (!verify_ed25519(key->second.get(), signed_text, *signature)) {
        return refuse("token_bad_signature", "the signature does not match");
    }
    return detail::read_claims(*claims, now);
}

std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (authorization.size() <= scheme.size()) {
        return {};
    }
    for (std::size_t i = 0; i < scheme.size(); ++i) {
        const char c = authorization[i];
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        if (lower != scheme[i]) {
            return {};
        }
    }
    const auto token = authorization.substr(scheme.size());
    const bool plain =
        std::ranges::all_of(token, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    return plain ? token : std::string_view{};
}

}  // namespace vora::auth
