#include "libs/auth/jwt.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace vora::auth {
namespace {

namespace fs = std::filesystem;

const timestamp now{seconds(1'800'000'000)};

// A token signer of its own, so that tokens can be wrong in exactly one way.
class forge {
 public:
    forge() : key_(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")) {}
    ~forge() { EVP_PKEY_free(key_); }
    forge(const forge&) = delete;

    std::string public_pem() const {
        BIO* bio = BIO_new(BIO_s_mem());
        EXPECT_EQ(PEM_write_bio_PUBKEY(bio, key_), 1);
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio, &data);
        std::string pem(data, static_cast<std::size_t>(size));
        BIO_free(bio);
        return pem;
    }
    std::string signature(std::string_view text) const {
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        std::string out(64, '\0');
        std::size_t size = out.size();
        EXPECT_EQ(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_), 1);
        EXPECT_EQ(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size,
                                 reinterpret_cast<const unsigned char*>(text.data()), text.size()),
                  1);
        EVP_MD_CTX_free(context);
        return out;
    }
    std::string token(std::string_view header, std::string_view claims) const {
        const auto text = base64url_encode(header) + "." + base64url_encode(claims);
        return text + "." + base64url_encode(signature(text));
    }

 private:
    EVP_PKEY* key_;
};

const std::string good_header = R"({"alg":"EdDSA","kid":"k1","typ":"JWT"})";
const std::string good_claims =
    R"({"iss":"vora","aud":"vora","sub":"alice","scope":"edit","exp":1800003600,"iat":1800000000,"jti":"1"})";

class jwt : public testing::Test {
 protected:
    void SetUp() override {
        dir_ = fs::temp_directory_path() / ("vora-jwt-" + random_hex(8));
        fs::create_directories(dir_);
        ASSERT_TRUE(verifier_.add_key(forge_.public_pem(), "k1"));
    }
    void TearDown() override { fs::remove_all(dir_); }
    std::string path() const { return dir_ / "token.key"; }
    std::string verdict(std::string_view token, timestamp at = now) const {
        const auto r = verifier_.verify(token, at);
        return r ? "accepted" : r.error().reason;
    }
    // Good claims with one of them set to `value` (JSON), or left out when it is empty.
    static std::string claims_with(const std::string& name, const std::string& value) {
        std::string out;
        const std::pair<std::string, std::string> claims[] = {
            {"iss", R"("vora")"},   {"aud", R"("vora")"},  {"sub", R"("alice")"},
            {"scope", R"("edit")"}, {"exp", "1800003600"}, {"iat", "1800000000"}};
        bool replaced = false;
        for (const auto& [key, text] : claims) {
            replaced |= key == name;
            const auto& shown = key == name ? value : text;
            if (!shown.empty()) {
                out += (out.empty() ? "{" : ",") + ("\"" + key + "\":") + shown;
            }
        }
        return out + (replaced ? "" : ",\"" + name + "\":" + value) + "}";
    }

    forge forge_;
    token_verifier verifier_;
    fs::path dir_;
};

TEST_F(jwt, the_forge_makes_good_tokens) {
    const auto p = verifier_.verify(forge_.token(good_header, good_claims), now);
    ASSERT_TRUE(p) << p.error().reason;
    EXPECT_EQ(p->subject, "alice");
    EXPECT_EQ(p->scope, scope::edit);
    EXPECT_EQ(p->expires, now + 1h);
    EXPECT_EQ(verdict(forge_.token(good_header, claims_with("sub", R"("bob")"))), "accepted");
}

TEST_F(jwt, what_the_issuer_mints_verifies_with_its_public_key) {
    const auto issuer = token_issuer::load_or_create(path());
    ASSERT_TRUE(issuer) << issuer.error().detail;
    token_verifier verifier;
    ASSERT_TRUE(verifier.add_key(issuer->public_key_pem(), issuer->key_id()));
    const auto token = issuer->mint("alice \"x\"", scope::admin, now, 1h);
    const auto p = verifier.verify(token, now);
    ASSERT_TRUE(p) << p.error().reason;
    EXPECT_EQ(p->subject, "alice \"x\"");
    EXPECT_TRUE(p->allows(scope::admin));
    EXPECT_NE(token, issuer->mint("alice \"x\"", scope::admin, now, 1h));
    EXPECT_EQ(verdict(token), "token_unknown_key");
}

TEST_F(jwt, the_public_key_alone_is_enough_to_verify_what_the_issuer_mints) {
    const auto issuer = token_issuer::load_or_create(path());
    ASSERT_TRUE(issuer) << issuer.error().detail;
    token_verifier verifier;
    ASSERT_TRUE(verifier.add_issuer(issuer->public_key_pem()));
    EXPECT_TRUE(verifier.verify(issuer->mint("alice", scope::view, now, 1h), now));
    std::ifstream in(path());
    const std::string private_pem(std::istreambuf_iterator<char>(in), {});
    for (const std::string& bad : {std::string(), std::string("no key"), private_pem}) {
        EXPECT_EQ(verifier.add_issuer(bad).error().reason, "bad_public_key");
    }
}

TEST_F(jwt, the_key_file_is_made_once_and_belongs_to_its_owner) {
    const auto first = token_issuer::load_or_create(path());
    const auto second = token_issuer::load_or_create(path());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->key_id(), second->key_id());
    EXPECT_EQ(first->public_key_pem(), second->public_key_pem());
    struct stat facts{};
    ASSERT_EQ(::stat(path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    std::ifstream in(path());
    const std::string pem(std::istreambuf_iterator<char>(in), {});
    EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----")) << pem.substr(0, 30);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()), 1);
}

TEST_F(jwt, a_key_file_that_is_damaged_or_open_to_others_is_an_error) {
    ASSERT_TRUE(token_issuer::load_or_create(path()));
    ::chmod(path().c_str(), 0640);
    EXPECT_EQ(token_issuer::load_or_create(path()).error().reason, "key_file_open_to_others");
    ::chmod(path().c_str(), 0600);
    fs::resize_file(path(), 40);
    EXPECT_EQ(token_issuer::load_or_create(path()).error().reason, "key_file_damaged");
    EXPECT_EQ(fs::file_size(path()), 40u);
}

TEST_F(jwt, a_directory_that_is_not_there_is_an_error) {
    EXPECT_EQ(token_issuer::load_or_create(dir_ / "no" / "key").error().code, errc::not_found);
}

TEST_F(jwt, each_scope_includes_the_smaller_ones) {
    const principal edit{"a", scope::edit, now};
    EXPECT_TRUE(edit.allows(scope::view));
    EXPECT_TRUE(edit.allows(scope::edit));
    EXPECT_FALSE(edit.allows(scope::admin));
    EXPECT_FALSE(parse_scope("root"));
    EXPECT_FALSE(parse_scope("Admin"));
    EXPECT_EQ(*parse_scope("view"), scope::view);
}

TEST_F(jwt, ends_at_exp_and_begins_at_most_a_minute_early) {
    const auto token = forge_.token(good_header, good_claims);
    EXPECT_EQ(verdict(token, now + 1h - 1ms), "accepted");
    EXPECT_EQ(verdict(token, now + 1h), "token_expired");
    EXPECT_EQ(verdict(token, now - 59s), "accepted");
    EXPECT_EQ(verdict(token, now - 61s), "token_not_yet_valid");
    const auto later = forge_.token(good_header, claims_with("nbf", "1800000600"));
    EXPECT_EQ(verdict(later, now + 541s), "accepted");
    EXPECT_EQ(verdict(later, now + 539s), "token_not_yet_valid");
}

TEST_F(jwt, refuses_every_header_but_the_one_form) {
    const std::pair<std::string, const char*> table[] = {
        {R"({"alg":"none","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"None","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"NONE","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":null,"kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":["EdDSA"],"kid":"k1"})", "token_wrong_algorithm"},
        {R"({"kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"HS256","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"RS256","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"ES256","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"eddsa","kid":"k1"})", "token_wrong_algorithm"},
        {R"({"alg":"EdDSA"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":1})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":""})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"k2"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"K1"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"../../../dev/null"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"k1' OR '1'='1"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"k1\u0000"})", "token_unknown_key"},
        {R"({"alg":"EdDSA","kid":"k1","crit":["exp"]})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","crit":[]})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","b64":false})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","jku":"http://127.0.0.1:1/k"})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","x5u":"http://127.0.0.1:1/k"})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","jwk":{"kty":"OKP"}})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","x5c":["MA=="]})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","typ":"at+jwt"})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","typ":5})", "token_malformed"},
        {R"({"alg":"EdDSA","alg":"EdDSA","kid":"k1"})", "token_malformed"},
        {R"({"alg":"none","alg":"EdDSA","kid":"k1"})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k2","\u006bid":"k1"})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1"}{})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1",})", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1"} /**/)", "token_malformed"},
        {R"({"alg":"EdDSA","kid":"k1","x":[[[[[[[[[[[[1]]]]]]]]]]]]})", "token_malformed"},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"x\":\"\xff\"}", "token_malformed"},
        {R"(["EdDSA"])", "token_malformed"},
        {"", "token_malformed"},
        {"null", "token_malformed"},
    };
    for (const auto& [header, expected] : table) {
        EXPECT_EQ(verdict(forge_.token(header, good_claims)), expected) << header;
    }
}

TEST_F(jwt, refuses_macs_made_with_what_is_public) {
    const auto text =
        base64url_encode(R"({"alg":"HS256","kid":"k1"})") + "." + base64url_encode(good_claims);
    for (const auto& key : {forge_.public_pem(), std::string("x"), std::string(32, '\0')}) {
        EXPECT_EQ(verdict(text + "." + base64url_encode(hmac_sha256(key, text))),
                  "token_wrong_algorithm");
    }
    const auto pretended = base64url_encode(good_header) + "." + base64url_encode(good_claims);
    EXPECT_EQ(
        verdict(pretended + "." + base64url_encode(hmac_sha256(forge_.public_pem(), pretended))),
        "token_bad_signature");
}

TEST_F(jwt, refuses_claims_that_are_missing_or_of_another_form) {
    struct refusal {
        std::string name, value;
        const char* expected;
    };
    const refusal table[] = {
        {"exp", "", "token_bad_claims"},
        {"exp", R"("1800003600")", "token_bad_claims"},
        {"exp", "1800003600.0", "token_bad_claims"},
        {"exp", "1.8e9", "token_bad_claims"},
        {"exp", "1e99", "token_bad_claims"},
        {"exp", "-1", "token_bad_claims"},
        {"exp", "-9223372036854775808", "token_bad_claims"},
        {"exp", "9223372036854775807", "token_bad_claims"},
        {"exp", "18446744073709551615", "token_bad_claims"},
        {"exp", "99999999999999999999999", "token_bad_claims"},
        {"exp", "253402300800", "token_bad_claims"},
        {"exp", "null", "token_bad_claims"},
        {"exp", "true", "token_bad_claims"},
        {"exp", "[1800003600]", "token_bad_claims"},
        {"exp", "0", "token_expired"},
        {"exp", "1799999999", "token_expired"},
        {"nbf", R"("1")", "token_bad_claims"},
        {"nbf", "1.5", "token_bad_claims"},
        {"nbf", "1e99", "token_bad_claims"},
        {"nbf", "-5", "token_bad_claims"},
        {"nbf", "1800000061", "token_not_yet_valid"},
        {"iat", R"("x")", "token_bad_claims"},
        {"iat", "1800000061", "token_not_yet_valid"},
        {"aud", "", "token_wrong_audience"},
        {"aud", R"("other")", "token_wrong_audience"},
        {"aud", R"("Vora")", "token_wrong_audience"},
        {"aud", R"(["vora"])", "token_wrong_audience"},
        {"aud", R"(["vora","other"])", "token_wrong_audience"},
        {"aud", "null", "token_wrong_audience"},
        {"iss", "", "token_wrong_issuer"},
        {"iss", R"("vora.example")", "token_wrong_issuer"},
        {"iss", R"("vora ")", "token_wrong_issuer"},
        {"iss", R"("v\u00f6ra")", "token_wrong_issuer"},
        {"iss", R"(["vora"])", "token_wrong_issuer"},
        {"sub", "", "token_bad_claims"},
        {"sub", R"("")", "token_bad_claims"},
        {"sub", "7", "token_bad_claims"},
        {"sub", R"("a\u0000b")", "token_bad_claims"},
        {"sub", R"("a\nb")", "token_bad_claims"},
        {"sub", "\"" + std::string(257, 'a') + "\"", "token_bad_claims"},
        {"scope", "", "token_bad_claims"},
        {"scope", R"("root")", "token_bad_claims"},
        {"scope", R"("edit admin")", "token_bad_claims"},
        {"scope", R"(["admin"])", "token_bad_claims"},
        {"scope", "3", "token_bad_claims"},
    };
    for (const auto& row : table) {
        const auto claims = claims_with(row.name, row.value);
        EXPECT_EQ(verdict(forge_.token(good_header, claims)), row.expected) << claims;
    }
}

TEST_F(jwt, refuses_claims_that_are_not_one_plain_object) {
    const auto inner = good_claims.substr(1);
    const std::string table[] = {
        R"({"scope":"admin",)" + inner,
        good_claims + "{}",
        "[" + good_claims + "]",
        "\"x\"",
        "",
        "{",
        R"({"deep":)" + std::string(500, '[') + std::string(500, ']') + "," + inner,
        R"({"deep":)" + std::string(3000, '[') + "," + inner,
    };
    for (const auto& claims : table) {
        EXPECT_EQ(verdict(forge_.token(good_header, claims)), "token_malformed")
            << claims.substr(0, 60);
    }
}

TEST_F(jwt, refuses_every_other_form_of_the_text) {
    const auto good = forge_.token(good_header, good_claims);
    const auto first = good.find('.');
    const auto last = good.rfind('.');
    const auto head = good.substr(0, first);
    const auto body = good.substr(first + 1, last - first - 1);
    const auto mac = good.substr(last + 1);
    const std::string table[] = {
        "",
        ".",
        "..",
        "...",
        head,
        head + "." + body,
        good + ".",
        good + "." + mac,
        "." + body + "." + mac,
        good + "=",
        head + "=." + body + "." + mac,
        head + "." + body + "==." + mac,
        good + "\n",
        " " + good,
        good + std::string(1, '\0'),
        head + "." + body + "." + base64_encode(std::string(64, '\xff')),
        std::string(8193, 'a'),
        std::string(1 << 20, 'a') + "." + body + "." + mac,
        head + "." + body + "." + mac.substr(0, mac.size() - 1) + "B",  // bits beyond the end
    };
    for (const auto& token : table) {
        EXPECT_EQ(verdict(token), "token_malformed") << token.substr(0, 80);
    }
}

TEST_F(jwt, refuses_every_other_signature) {
    const auto text = base64url_encode(good_header) + "." + base64url_encode(good_claims);
    const auto good = forge_.signature(text);
    std::vector<std::string> table = {std::string(64, '\0'),
                                      "",
                                      good.substr(0, 63),
                                      good + "x",
                                      good.substr(32) + good.substr(0, 32),
                                      forge().signature(text)};
    for (std::size_t i = 0; i < good.size(); ++i) {
        table.push_back(good);
        table.back()[i] = static_cast<char>(table.back()[i] ^ 1);
    }
    for (const auto& signature : table) {
        EXPECT_EQ(verdict(text + "." + base64url_encode(signature)), "token_bad_signature");
    }
    EXPECT_EQ(verdict(base64url_encode(good_header) + ".." + base64url_encode(good)),
              "token_bad_signature");
    // The same signature under other claims.
    const auto other =
        base64url_encode(good_header) + "." + base64url_encode(claims_with("scope", R"("admin")"));
    EXPECT_EQ(verdict(other + "." + base64url_encode(good)), "token_bad_signature");
}

TEST_F(jwt, keys_of_other_kinds_are_never_taken) {
    EVP_PKEY* rsa = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048});
    BIO* bio = BIO_new(BIO_s_mem());
    ASSERT_EQ(PEM_write_bio_PUBKEY(bio, rsa), 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    const std::string pem(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    EVP_PKEY_free(rsa);
    token_verifier verifier;
    EXPECT_FALSE(verifier.add_key(pem, "rsa"));
    EXPECT_FALSE(verifier.add_key("", "empty"));
    EXPECT_FALSE(verifier.add_key("secret", "text"));
    EXPECT_FALSE(verifier.add_key(forge_.public_pem(), ""));
}

TEST_F(jwt, two_keys_live_at_once) {
    forge other;
    ASSERT_TRUE(verifier_.add_key(other.public_pem(), "k2"));
    EXPECT_EQ(verdict(forge_.token(good_header, good_claims)), "accepted");
    const std::string header = R"({"alg":"EdDSA","kid":"k2"})";
    EXPECT_EQ(verdict(other.token(header, good_claims)), "accepted");
    EXPECT_EQ(verdict(forge_.token(header, good_claims)), "token_bad_signature");
}

TEST(bearer, takes_the_token_of_the_one_form) {
    EXPECT_EQ(bearer_token("Bearer a.b.c"), "a.b.c");
    EXPECT_EQ(bearer_token("bearer a.b.c"), "a.b.c");
    for (const auto* text : {"", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer  a",
                             "Bearer\ta", "a.b.c", "Bearer a\x80", "BearerX a"}) {
        EXPECT_EQ(bearer_token(text), "") << text;
    }
}

}  // namespace
}  // namespace vora::auth
