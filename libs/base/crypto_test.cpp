#include "libs/base/crypto.hpp"

#include "libs/base/encoding.hpp"

#include <gtest/gtest.h>

namespace vora {
namespace {

TEST(crypto, sha256_of_abc_is_the_published_vector) {
    const auto expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    EXPECT_EQ(sha256_hex("abc"), expected);
    sha256_stream stream;
    stream.update("a");
    stream.update("bc");
    EXPECT_EQ(stream.finish_hex(), expected);
}

TEST(crypto, hmac_follows_rfc_4231_case_2) {
    EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(crypto, random_uuid_is_a_uuid) {
    const auto id = random_uuid();
    EXPECT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '4');
    EXPECT_FALSE(is_uuid("not-a-uuid"));
    EXPECT_FALSE(is_uuid("BA7816BF-8F01-4FEA-8141-40DE5DAE2223"));
}

TEST(crypto, sha512_over_pieces_is_that_of_the_whole) {
    sha512_stream hash;  // FIPS 180-2, C.1
    hash.update("a");
    hash.update("bc");
    EXPECT_EQ(hex_encode(hash.finish()),
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

}  // namespace
}  // namespace vora
