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
#include <optional>
#include <ranges>

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

bool is_plain_text(std::string_view text, std::size_t bytes_max) {
    return !text.empty() && text.size() <= bytes_max &&
           std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
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

result<std::string> read_subject(const json& claims) {
    const auto subject = claims.find("sub");
    if (subject == claims.end() || !subject->is_string() ||
        !is_plain_text(subject->get_ref<const std::string&>(), 256)) {
        return refuse("token_bad_claims", "sub is not a name");
    }
    return subject->get<std::string>();
}

// One audience, or a list that holds it and nothing but texts.
bool names_audience(const json& claims, std::string_view wanted) {
    const auto found = claims.find("aud");
    if (found == claims.end() || !found->is_array()) {
        return is_text(claims, "aud", wanted);
    }
    return std::ranges::all_of(*found, [](const json& one) { return one.is_string(); }) &&
           std::ranges::any_of(*found, [&](const json& one) {
               return one.get_ref<const std::string&>() == wanted;
           });
}

// The largest of our scopes among the words of a text, or of a list of texts.
std::optional<scope> largest_scope(const json& claims, const std::string& name) {
    std::string words;
    const auto found = claims.find(name);
    if (found == claims.end()) {
        return std::nullopt;
    }
    if (found->is_string()) {
        words = found->get<std::string>();
    } else if (found->is_array()) {
        for (const auto& one : *found) {
            words += one.is_string() ? one.get<std::string>() + " " : "";
        }
    }
    std::optional<scope> largest;
    for (const auto word : std::views::split(words, ' ')) {
        const auto s = parse_scope(std::string_view(word.begin(), word.end()));
        if (s && (!largest || *s > *largest)) {
            largest = *s;
        }
    }
    return largest;
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

result<token_header> read_header(std::string_view text) {
    const auto header = parse_object(text);
    if (!header) {
        return refuse("token_malformed", "the header is not a plain JSON object");
    }
    const auto alg = header->find("alg");
    const auto algorithm = alg != header->end() && alg->is_string()
                               ? parse_algorithm(alg->get_ref<const std::string&>())
                               : fail(errc::invalid_argument, "unknown_algorithm");
    if (!algorithm) {
        return refuse("token_wrong_algorithm", "alg is none of EdDSA, ES256 and RS256");
    }
    // What names or carries a key, or changes how the token is to be read, is refused, not ignored.
    for (const char* name : {"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"}) {
        if (header->contains(name)) {
            return refuse("token_malformed", std::string("the header holds ") + name);
        }
    }
    const bool access_token = is_text(*header, "typ", "at+jwt");
    if (header->contains("typ") && !access_token && !is_text(*header, "typ", "JWT")) {
        return refuse("token_malformed", "typ is not JWT");
    }
    const auto kid = header->find("kid");
    if (kid == header->end() || !kid->is_string()) {
        return refuse("token_unknown_key", "the header has no kid");
    }
    return token_header{*algorithm, kid->get<std::string>(), access_token};
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
    auto subject = read_subject(*claims);
    if (!subject) {
        return fail(std::move(subject.error()));
    }
    const auto scope_text = claims->find("scope");
    if (scope_text == claims->end() || !scope_text->is_string()) {
        return refuse("token_bad_claims", "scope is missing");
    }
    const auto granted = parse_scope(scope_text->get_ref<const std::string&>());
    if (!granted) {
        return refuse("token_bad_claims", "scope is unknown");
    }
    return principal{std::move(*subject), *granted, *expires};
}

result<principal> read_foreign_claims(std::string_view text, const issuer_rules& rules,
                                      timestamp now) {
    const auto claims = parse_object(text);
    if (!claims) {
        return refuse("token_malformed", "the claims are not a plain JSON object");
    }
    if (!rules.issuer.empty() && !is_text(*claims, "iss", rules.issuer)) {
        return refuse("token_wrong_issuer", "iss is another");
    }
    if (!names_audience(*claims, rules.audience)) {
        return refuse("token_wrong_audience", "aud is another");
    }
    const auto expires = check_times(*claims, now);
    if (!expires) {
        return fail(expires.error());
    }
    auto subject = read_subject(*claims);
    if (!subject) {
        return fail(std::move(subject.error()));
    }
    const auto granted = largest_scope(*claims, rules.scope_claim);
    if (!granted) {
        return refuse("token_bad_claims",
                      rules.scope_claim + " holds none of view, edit and admin");
    }
    return principal{std::move(*subject), *granted, *expires};
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

result<void> token_verifier::add_issuer(const std::string& public_key_pem) {
    const auto bio = bio_over(public_key_pem);
    const key_ptr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr),
                      &EVP_PKEY_free);
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
        return fail(errc::invalid_argument, "bad_public_key", "this is no Ed25519 public key");
    }
    return add_key(public_key_pem, thumbprint(key.get()));
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
