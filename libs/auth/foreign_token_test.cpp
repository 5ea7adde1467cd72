// Tokens of another issuer, signed by each algorithm: what is taken and the whole set of what is
// refused.
#include "libs/auth/jwks.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/auth/testing/signers.hpp"
#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"

#include <gtest/gtest.h>

namespace vora::auth {
namespace {

using testing::key_set_of;
using testing::signer;

const timestamp now{seconds(1'800'000'000)};
const std::string good_claims =
    R"({"iss":"https://id.example","aud":"vora","sub":"alice","scope":"openid edit","exp":1800003600,"iat":1800000000})";

class fixed_keys final : public key_source {
 public:
    const issuer_rules& rules() const override { return rules_; }
    std::shared_ptr<const key_set> keys() const override { return keys_; }
    task<> refresh() override {
        ++refreshed;
        if (next) {
            keys_ = std::exchange(next, nullptr);
        }
        co_return;
    }

    issuer_rules rules_{"https://id.example", "vora", "scope"};
    std::shared_ptr<const key_set> keys_ = std::make_shared<const key_set>();
    std::shared_ptr<const key_set> next;
    int refreshed = 0;
};

std::shared_ptr<const key_set> keys_in(const std::string& text) {
    auto set = parse_jwks(text);
    EXPECT_TRUE(set);
    return std::make_shared<const key_set>(std::move(*set));
}

class foreign_token : public ::testing::Test {
 protected:
    void SetUp() override {
        source_->keys_ = keys_in(key_set_of(
            {rsa_.jwk(R"("kid":"r")"), p256_.jwk(R"("kid":"p")"), ed_.jwk(R"("kid":"e")")}));
        verifier_.trust(source_);
    }
    std::string verdict(std::string_view token, timestamp at = now) const {
        const auto r = verifier_.verify(token, at);
        return r ? "accepted" : r.error().reason;
    }
    static std::string header(const std::string& alg, const std::string& kid,
                              const std::string& more = "") {
        return R"({"alg":")" + alg + R"(","kid":")" + kid + "\"" + more + "}";
    }
    static std::string claims_with(const std::string& from, const std::string& to) {
        auto claims = good_claims;
        const auto at = claims.find(from);
        EXPECT_NE(at, claims.npos) << from;
        return claims.replace(at, from.size(), to);
    }
    std::string edited(const std::string& from, const std::string& to) const {
        return ed_.token(header("EdDSA", "e"), claims_with(from, to));
    }

    static const signer rsa_;
    static const signer p256_;
    static const signer ed_;
    std::shared_ptr<fixed_keys> source_ = std::make_shared<fixed_keys>();
    token_verifier verifier_;
};
const signer foreign_token::rsa_ = signer::rsa();
const signer foreign_token::p256_ = signer::p256();
const signer foreign_token::ed_ = signer::ed25519();

TEST_F(foreign_token, each_algorithm_is_taken_under_its_own_key) {
    const auto p = verifier_.verify(rsa_.token(header("RS256", "r"), good_claims), now);
    ASSERT_TRUE(p) << p.error().reason;
    EXPECT_EQ(p->subject, "alice");
    EXPECT_EQ(p->scope, scope::edit);
    EXPECT_EQ(verdict(p256_.token(header("ES256", "p"), good_claims)), "accepted");
    EXPECT_EQ(verdict(ed_.token(header("EdDSA", "e"), good_claims)), "accepted");
    for (const auto* more : {R"(,"typ":"JWT")", R"(,"typ":"at+jwt")", R"(,"x5t":"abc")"}) {
        EXPECT_EQ(verdict(p256_.token(header("ES256", "p", more), good_claims)), "accepted")
            << more;
    }
}

TEST_F(foreign_token, an_algorithm_that_is_not_the_keys_own_is_refused) {
    const signer* signers[] = {&rsa_, &p256_, &ed_};
    const char* kids[] = {"r", "p", "e"};
    const char* algorithms[] = {"RS256", "ES256", "EdDSA"};
    for (int s = 0; s < 3; ++s) {
        for (int k = 0; k < 3; ++k) {
            for (int a = 0; a < 3; ++a) {
                const auto token = signers[s]->token(header(algorithms[a], kids[k]), good_claims);
                const auto expected = a != k   ? "token_wrong_algorithm"
                                      : s != k ? "token_bad_signature"
                                               : "accepted";
                EXPECT_EQ(verdict(token), expected) << s << k << a;
            }
        }
    }
    for (const auto* alg : {"none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS384",
                            "RS512", "PS256", "ES384", "ES512", "ES256K", "rs256", "Ed25519"}) {
        for (const auto* kid : {"r", "p", "e"}) {
            EXPECT_EQ(verdict(rsa_.token(header(alg, kid), good_claims)), "token_wrong_algorithm")
                << alg;
        }
    }
}

TEST_F(foreign_token, a_mac_made_with_the_public_key_is_refused) {
    for (const auto* alg : {"HS256", "RS256", "ES256"}) {
        for (const auto& secret : {rsa_.jwk(""), p256_.jwk(""), std::string(), std::string("r")}) {
            const auto text =
                base64url_encode(header(alg, "r")) + "." + base64url_encode(good_claims);
            const auto token = text + "." + base64url_encode(hmac_sha256(secret, text));
            EXPECT_NE(verdict(token), "accepted") << alg;
        }
    }
    const auto unsigned_text =
        base64url_encode(header("none", "r")) + "." + base64url_encode(good_claims) + ".";
    EXPECT_EQ(verdict(unsigned_text), "token_wrong_algorithm");
    EXPECT_EQ(
        verdict(base64url_encode(header("RS256", "r")) + "." + base64url_encode(good_claims) + "."),
        "token_bad_signature");
}

TEST_F(foreign_token, curve_signatures_have_one_form) {
    const auto text = base64url_encode(header("ES256", "p")) + "." + base64url_encode(good_claims);
    const auto good = p256_.signature(text);
    EXPECT_EQ(verdict(text + "." + base64url_encode(good)), "accepted");
    const std::string zero(32, '\0');
    const std::string order =
        hex_decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").value();
    const std::string table[] = {
        p256_.plain_signature(text, EVP_sha256()),  // DER
        p256_.signature(text, EVP_sha512()),        // another hash
        zero + zero,                                // CVE-2022-21449
        zero + good.substr(32),
        good.substr(0, 32) + zero,
        order + good.substr(32),
        good.substr(0, 32) + order,
        order + order,
        std::string(64, '\xff'),
        good.substr(0, 63),
        good + std::string(1, '\0'),
        std::string(1, '\0') + good,
        good.substr(32) + good.substr(0, 32),
    };
    for (const auto& signature : table) {
        EXPECT_EQ(verdict(text + "." + base64url_encode(signature)), "token_bad_signature");
    }
}

TEST_F(foreign_token, rsa_signatures_have_one_form) {
    const auto text = base64url_encode(header("RS256", "r")) + "." + base64url_encode(good_claims);
    const auto good = rsa_.signature(text);
    const std::string table[] = {
        rsa_.signature(text, EVP_sha1()), rsa_.signature(text, EVP_sha512()),
        std::string(256, '\0'),           std::string(256, '\xff'),
        std::string(255, '\0') + "\x01",  std::string(1, '\0') + good,
        good + std::string(1, '\0'),      good.substr(1),
        signer::rsa().signature(text),
    };
    for (const auto& signature : table) {
        EXPECT_EQ(verdict(text + "." + base64url_encode(signature)), "token_bad_signature");
    }
}

TEST_F(foreign_token, nothing_but_a_known_kid_chooses_a_key) {
    for (const auto& kid :
         {std::string(), std::string("x"), std::string("R"), std::string("../../etc/passwd"),
          std::string("r' OR '1'='1"), std::string("r\\u0000"), std::string(5'000, 'k')}) {
        EXPECT_EQ(verdict(rsa_.token(header("RS256", kid), good_claims)), "token_unknown_key")
            << kid.substr(0, 20);
    }
    EXPECT_EQ(verdict(rsa_.token(R"({"alg":"RS256"})", good_claims)), "token_unknown_key");
    EXPECT_EQ(verdict(rsa_.token(header("RS256", std::string(10'000, 'k')), good_claims)),
              "token_malformed");
    for (const auto* more :
         {R"(,"crit":["exp"])", R"(,"crit":["b64"],"b64":false)", R"(,"jku":"http://127.0.0.1/k")",
          R"(,"x5u":"http://127.0.0.1/k")", R"(,"jwk":{"kty":"RSA"})", R"(,"x5c":["MA=="])",
          R"(,"zip":"DEF")", R"(,"enc":"A128GCM")", R"(,"typ":"logout+jwt")",
          R"(,"typ":"dpop+jwt")", R"(,"typ":"")", R"(,"typ":["JWT"])", R"(,"kid":"r")"}) {
        EXPECT_EQ(verdict(rsa_.token(header("RS256", "r", more), good_claims)), "token_malformed")
            << more;
    }
}

TEST_F(foreign_token, claims_must_be_this_issuers_for_us_and_in_time) {
    struct refusal {
        const char* from;
        std::string to;
        const char* expected;
    };
    const std::string iss = R"("iss":"https://id.example")";
    const refusal table[] = {
        {R"("iss":"https://id.example",)", "", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":"https://id.example/")", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":"https://ID.example")", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":"http://id.example")", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":"https://id.example.evil.example")", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":"vora")", "token_wrong_issuer"},
        {iss.c_str(), R"("iss":["https://id.example"])", "token_wrong_issuer"},
        {R"("aud":"vora",)", "", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":"other")", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":"vora ")", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":"VORA")", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":[])", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":["a","b"])", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":["vora",5])", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":{"vora":1})", "token_wrong_audience"},
        {R"("aud":"vora")", R"("aud":null)", "token_wrong_audience"},
        {R"("sub":"alice",)", "", "token_bad_claims"},
        {R"("sub":"alice")", R"("sub":"")", "token_bad_claims"},
        {R"("sub":"alice")", R"("sub":5)", "token_bad_claims"},
        {R"("sub":"alice")", R"("sub":"a\nb")", "token_bad_claims"},
        {R"("scope":"openid edit",)", "", "token_bad_claims"},
        {R"("openid edit")", R"("openid")", "token_bad_claims"},
        {R"("openid edit")", R"("Edit")", "token_bad_claims"},
        {R"("openid edit")", R"("vora:edit")", "token_bad_claims"},
        {R"("openid edit")", R"({"edit":true})", "token_bad_claims"},
        {R"("openid edit")", R"([["admin"]])", "token_bad_claims"},
        {R"("openid edit")", "3", "token_bad_claims"},
        {R"("exp":1800003600,)", "", "token_bad_claims"},
        {"1800003600", R"("1800003600")", "token_bad_claims"},
        {"1800003600", "1800003600.5", "token_bad_claims"},
        {"1800003600", "1e99", "token_bad_claims"},
        {"1800003600", "-1", "token_bad_claims"},
        {"1800003600", "null", "token_bad_claims"},
        {"1800003600", "0", "token_expired"},
        {"1800003600", "1799999939", "token_expired"},
        {"1800003600", "1800000000", "token_expired"},
        {R"("iat":1800000000)", R"("iat":1800000061)", "token_not_yet_valid"},
        {R"("iat":1800000000)", R"("nbf":1800000061)", "token_not_yet_valid"},
        {R"("iat":1800000000)", R"("nbf":"0")", "token_bad_claims"},
        {R"("iat":1800000000)", R"("nbf":1.5)", "token_bad_claims"},
        {R"("iat":1800000000)", R"("nbf":-1)", "token_bad_claims"},
        {R"("sub":"alice")", R"("sub":"alice","sub":"root")", "token_malformed"},
        {R"("sub":"alice")", R"("sub":"alice","s\u0075b":"root")", "token_malformed"},
    };
    for (const auto& row : table) {
        EXPECT_EQ(verdict(edited(row.from, row.to)), row.expected) << row.from << " " << row.to;
    }
    EXPECT_EQ(verdict(edited(R"("iat":1800000000)", R"("iat":1800000059)")), "accepted");
    EXPECT_EQ(verdict(edited(R"("aud":"vora")", R"("aud":["account","vora"])")), "accepted");
}

TEST_F(foreign_token, the_largest_scope_of_the_claim_counts) {
    const auto of = [&](const std::string& value) {
        const auto p = verifier_.verify(edited(R"("openid edit")", value), now);
        return p ? std::string(to_string(p->scope)) : p.error().reason;
    };
    EXPECT_EQ(of(R"("view")"), "view");
    EXPECT_EQ(of(R"("view admin edit")"), "admin");
    EXPECT_EQ(of(R"(["email","edit"])"), "edit");
    EXPECT_EQ(of(R"(["email view"])"), "view");
    source_->rules_.scope_claim = "roles";
    EXPECT_EQ(of(R"("admin")"), "token_bad_claims");
    EXPECT_EQ(of(R"("edit","roles":["view"])"), "view");
}

TEST_F(foreign_token, any_issuer_is_taken_where_none_is_configured) {
    source_->rules_.issuer.clear();
    EXPECT_EQ(verdict(edited(R"("iss":"https://id.example",)", "")), "accepted");
    EXPECT_EQ(verdict(edited(R"("aud":"vora",)", "")), "token_wrong_audience");
}

TEST_F(foreign_token, the_local_issuer_and_the_other_do_not_vouch_for_each_other) {
    const auto path = "/tmp/vora-issuer-" + random_hex(8) + ".pem";
    const auto local = token_issuer::load_or_create(path);
    ASSERT_TRUE(local);
    ::remove(path.c_str());
    token_verifier both;
    ASSERT_TRUE(both.add_key(local->public_key_pem(), local->key_id()));
    both.trust(source_);
    EXPECT_TRUE(both.verify(local->mint("bob", scope::view, now, 1h), now));
    EXPECT_TRUE(both.verify(ed_.token(header("EdDSA", "e"), good_claims), now));
    const std::string ours =
        R"({"iss":"vora","aud":"vora","sub":"x","scope":"admin","exp":1800003600})";
    const auto stolen = both.verify(ed_.token(header("EdDSA", "e"), ours), now);
    ASSERT_FALSE(stolen);
    EXPECT_EQ(stolen.error().reason, "token_wrong_issuer");
    const auto posing = both.verify(ed_.token(header("EdDSA", local->key_id()), good_claims), now);
    ASSERT_FALSE(posing);
    EXPECT_EQ(posing.error().reason, "token_bad_signature");
    // A foreign key under our key's id does not replace it.
    source_->keys_ = keys_in(key_set_of({ed_.jwk(R"("kid":")" + local->key_id() + "\"")}));
    EXPECT_TRUE(both.verify(local->mint("bob", scope::view, now, 1h), now));
    EXPECT_FALSE(both.verify(ed_.token(header("EdDSA", local->key_id()), good_claims), now));
}

TEST_F(foreign_token, an_unknown_key_is_looked_for_once_before_it_is_refused) {
    event_loop loop;
    const auto check = [&](const std::string& token) {
        const auto r = loop.run_until_done(verifier_.check(token, now));
        return r ? std::string("accepted") : r.error().reason;
    };
    const auto later = signer::p256();
    const auto token = later.token(header("ES256", "new"), good_claims);
    EXPECT_EQ(check(token), "token_unknown_key");
    EXPECT_EQ(source_->refreshed, 1);
    source_->next = keys_in(key_set_of({later.jwk(R"("kid":"new")")}));
    EXPECT_EQ(check(token), "accepted");
    EXPECT_EQ(source_->refreshed, 2);
    EXPECT_EQ(check(token), "accepted");
    EXPECT_EQ(check(later.token(header("ES256", "new"), "{}")), "token_wrong_issuer");
    EXPECT_EQ(check("x"), "token_malformed");
    EXPECT_EQ(source_->refreshed, 2) << "nothing else is a reason to look";
}

}  // namespace
}  // namespace vora::auth
