#include "libs/auth/jwks.hpp"

#include "libs/auth/testing/signers.hpp"

#include <gtest/gtest.h>

namespace vora::auth {
namespace {

using testing::key_set_of;
using testing::signer;

const signer& rsa() {
    static const auto s = signer::rsa();
    return s;
}

std::string with(std::string key, const std::string& from, const std::string& to) {
    const auto at = key.find(from);
    EXPECT_NE(at, key.npos) << key;
    return key.replace(at, from.size(), to);
}

TEST(jwks, keys_of_each_kind_check_what_their_signer_signed) {
    const signer all[] = {rsa(), signer::p256(), signer::ed25519()};
    const auto set = parse_jwks(key_set_of({all[0].jwk(R"("kid":"RS256","use":"sig")"),
                                            all[1].jwk(R"("kid":"ES256","alg":"ES256")"),
                                            all[2].jwk(R"("kid":"EdDSA","key_ops":["verify"])")}));
    ASSERT_TRUE(set) << set.error().detail;
    ASSERT_EQ(set->size(), 3u);
    for (const auto& one : all) {
        const auto& key = set->at(one.algorithm());
        EXPECT_EQ(to_string(key.algorithm()), one.algorithm());
        const auto good = one.signature("text");
        EXPECT_TRUE(key.verify("text", good)) << one.algorithm();
        EXPECT_FALSE(key.verify("texT", good));
        EXPECT_FALSE(key.verify("text", ""));
        EXPECT_FALSE(key.verify("text", good.substr(1)));
        EXPECT_FALSE(key.verify("text", good + std::string(1, '\0')));
        EXPECT_FALSE(key.verify("text", std::string(good.size(), '\0')));
        EXPECT_FALSE(key.verify("text", std::string(good.size(), '\xff')));
    }
}

TEST(jwks, a_key_that_is_not_for_checking_our_tokens_is_left_out) {
    const auto p = signer::p256().jwk(R"("kid":"a")");
    const auto e = signer::ed25519().jwk(R"("kid":"a")");
    const auto r = rsa().jwk(R"("kid":"a")");
    const auto more = [](const std::string& key, const std::string& fields) {
        return key.substr(0, key.size() - 1) + "," + fields + "}";
    };
    const std::string table[] = {
        rsa().jwk(""),                              // no kid
        rsa().jwk(R"("kid":"")"),                   //
        rsa().jwk(R"("kid":7)"),                    //
        more(r, R"("use":"enc")"),                  //
        more(r, R"("use":5)"),                      //
        more(r, R"("alg":"RS512")"),                //
        more(r, R"("alg":"HS256")"),                //
        more(r, R"("alg":"PS256")"),                //
        more(r, R"("alg":"none")"),                 //
        more(p, R"("alg":"RS256")"),                //
        more(e, R"("alg":"ES256")"),                //
        more(p, R"("key_ops":["sign"])"),           //
        more(p, R"("key_ops":[])"),                 //
        more(p, R"("key_ops":"verify")"),           //
        more(p, R"("d":"AAAA")"),                   // shown with its private part
        with(p, R"("EC")", R"("oct")"),             //
        with(p, R"("P-256")", R"("P-521")"),        //
        with(p, R"("P-256")", R"("secp256k1")"),    //
        with(e, R"("Ed25519")", R"("X25519")"),     //
        with(e, R"("Ed25519")", R"("Ed448")"),      //
        with(r, R"("e":")", R"("e":"AA)"),          // 24 more bits: still odd, but not in use
        with(r, R"("e":"AQAB")", R"("e":"AQ")"),    // 1
        with(r, R"("e":"AQAB")", R"("e":"AAAC")"),  // even
        with(r, R"("e":"AQAB")", R"("e":"")"),      //
        with(r, R"("n":")", R"("n":"=)"),           //
        with(p, R"("x":")", R"("x":"AAAA)"),        //
        with(p, R"("y":")", R"("z":")"),            //
        R"({"kty":"EC","crv":"P-256","kid":"a","x":")" + std::string(43, 'A') + R"(","y":")" +
            std::string(43, 'A') + "\"}",  // not on the curve
        R"({"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA"})",
        R"({"kty":"oct","kid":"a","k":"c2VjcmV0","alg":"HS256"})",
        signer::p384().jwk(R"("kid":"a")"),
        signer::rsa(1024).jwk(R"("kid":"a")"),
        rsa().jwk(R"("kid":")" + std::string(300, 'k') + "\""),
        "{}",
    };
    for (const auto& key : table) {
        const auto set = parse_jwks(key_set_of({key}));
        if (key.find(R"("e":"AAAQAB")") != key.npos) {
            continue;  // the same number with zeros in front
        }
        ASSERT_TRUE(set) << key << set.error().detail;
        EXPECT_TRUE(set->empty()) << key;
    }
    // And none of them takes a good one with it.
    const auto set = parse_jwks(key_set_of({table[3], signer::ed25519().jwk(R"("kid":"b")")}));
    ASSERT_TRUE(set);
    EXPECT_EQ(set->size(), 1u);
}

TEST(jwks, what_is_no_key_set_is_refused) {
    const auto key = signer::ed25519().jwk(R"("kid":"a")");
    std::string many;
    for (int i = 0; i < 65; ++i) {
        many += (i == 0 ? "" : ",") + std::string("{}");
    }
    const std::string table[] = {
        "",
        "null",
        "[]",
        "{}",
        R"({"keys":{}})",
        R"({"keys":["a"]})",
        R"({"keys":[null]})",
        key,
        "[" + key + "]",
        R"({"keys":[],"keys":[]})",
        R"({"keys":[{"kid":"a","kid":"b"}]})",
        R"({"keys":[{"x":[[[[[[[[[[1]]]]]]]]]]}]})",
        key_set_of({key}) + "x",
        key_set_of({key, signer::p256().jwk(R"("kid":"a")")}),
        key_set_of({many}),
        key_set_of({key}) + std::string(jwks_bytes_max, ' '),
        "\xff",
    };
    for (const auto& text : table) {
        const auto set = parse_jwks(text);
        ASSERT_FALSE(set) << text.substr(0, 100);
        EXPECT_EQ(set.error().reason, "bad_jwks");
    }
    EXPECT_TRUE(parse_jwks(R"({"keys":[]})"));
}

}  // namespace
}  // namespace vora::auth
