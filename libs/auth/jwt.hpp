#pragma once
// JWT (RFC 7519, 8725): the local issuer signs with Ed25519; another issuer, if one is trusted,
// with RS256, ES256 or EdDSA. Verification takes exactly the algorithm its key has. Keys by `kid`;
// nothing a token says can make us fetch or choose a key by other means.

#include "libs/auth/public_key.hpp"
#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace vora::auth {

enum class scope { view = 1, edit = 2, admin = 3 };  // each includes the smaller ones

std::string_view to_string(scope s);
result<scope> parse_scope(std::string_view text);

struct principal {
    std::string subject;
    auth::scope scope = scope::view;
    timestamp expires;
    bool allows(auth::scope needed) const { return scope >= needed; }
};

inline constexpr std::string_view audience = "vora";
// The cookie in which a signed-in browser carries its token.
inline constexpr std::string_view session_cookie = "vora_session";

// Signs tokens. The key lies in a PEM file (PKCS#8, 0600), made at first start.
class token_issuer {
 public:
    static result<token_issuer> load_or_create(const std::string& key_path);
    token_issuer(token_issuer&&) noexcept;
    ~token_issuer();
    std::string mint(std::string_view subject, scope s, timestamp now,
                     std::chrono::seconds ttl) const;
    std::string public_key_pem() const;
    std::string key_id() const;

 private:
    struct state;
    explicit token_issuer(std::unique_ptr<state> s);
    std::unique_ptr<state> state_;
};

// What tokens of another issuer must say.
struct issuer_rules {
    std::string issuer;  // empty: whoever holds one of the keys
    std::string audience = std::string(auth::audience);
    std::string scope_claim = "scope";  // words, or a list of words; the largest of ours counts
};

// The keys of another issuer, which may change while we run.
class key_source {
 public:
    virtual ~key_source() = default;
    virtual const issuer_rules& rules() const = 0;
    virtual std::shared_ptr<const key_set> keys() const = 0;  // never null
    // A token named a key that is not there: looks for newer ones if it has not just done so, and
    // returns when keys() shows what was found. Bounded in time; never an error.
    virtual task<> refresh() = 0;
};

// Verifies tokens of the issuers it was given keys for. Never throws; every refusal is
// unauthenticated with a reason ("token_expired", "token_malformed", "token_bad_signature",
// "token_unknown_key", ...).
class token_verifier {
 public:
    token_verifier();
    ~token_verifier();
    token_verifier(token_verifier&&) noexcept;
    // A key of the local issuer.
    result<void> add_key(const std::string& public_key_pem, const std::string& key_id);
    // The same where only the public key is at hand: its id follows from it (token_issuer).
    result<void> add_issuer(const std::string& public_key_pem);
    // Another issuer beside the local one, at most one.
    void trust(std::shared_ptr<key_source> other);
    result<principal> verify(std::string_view token, timestamp now) const;
    // The same, but a key that is not known is looked for once before it is refused.
    task<result<principal>> check(std::string token, timestamp now) const;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

// The token of "Authorization: Bearer TOKEN"; empty when the header has another form.
std::string_view bearer_token(std::string_view authorization);

}  // namespace vora::auth
