#include "libs/auth/public_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <optional>

namespace vora::auth {

namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using context_ptr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using digest_ptr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using number_ptr = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using builder_ptr = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using params_ptr = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using ecdsa_ptr = std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)>;

constexpr std::size_t ed25519_bytes = 32;
constexpr std::size_t p256_bytes = 32;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 8192;  // beyond it one signature costs too much
constexpr int rsa_exponent_bits_max = 33;

std::unexpected<error> bad_key(std::string detail) {
    return fail(errc::invalid_argument, "bad_public_key", std::move(detail));
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

number_ptr number_of(std::string_view bytes) {
    return {BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr), &BN_free};
}

// A PEM file that asks for a passphrase must not read from the terminal.
int no_passphrase(char*, int, int, void*) {
    return 0;
}

key_ptr key_from(const char* type, OSSL_PARAM* params) {
    const context_ptr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr),
                              &EVP_PKEY_CTX_free);
    EVP_PKEY* made = nullptr;
    if (!context || params == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        made = nullptr;
    }
    key_ptr key(made, &EVP_PKEY_free);
    if (key) {
        const context_ptr check(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr),
                                &EVP_PKEY_CTX_free);
        if (!check || EVP_PKEY_public_check(check.get()) != 1) {
            key.reset();
        }
    }
    return key;
}

// OpenSSL wants DER; JWS has the two numbers side by side.
std::optional<std::string> der_of(std::string_view signature) {
    if (signature.size() != 2 * p256_bytes) {
        return std::nullopt;
    }
    const ecdsa_ptr pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
    auto r = number_of(signature.substr(0, p256_bytes));
    auto s = number_of(signature.substr(p256_bytes));
    if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) {
        return std::nullopt;
    }
    (void)r.release();
    (void)s.release();
    unsigned char* out = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &out);
    if (size <= 0) {
        return std::nullopt;
    }
    std::string der(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
    OPENSSL_free(out);
    return der;
}

bool verify_with(EVP_PKEY* key, const EVP_MD* digest, std::string_view text,
                 std::string_view signature) {
    const digest_ptr context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                            text.size()) == 1;
}

}  // namespace

struct public_key::state {
    explicit state(key_ptr k) : key(std::move(k)) {}
    key_ptr key;
};

std::string_view to_string(signature_algorithm a) {
    switch (a) {
        case signature_algorithm::rs256:
            return "RS256";
        case signature_algorithm::es256:
            return "ES256";
        case signature_algorithm::eddsa:
            return "EdDSA";
    }
    return "";
}

result<signature_algorithm> parse_algorithm(std::string_view text) {
    for (const auto a :
         {signature_algorithm::rs256, signature_algorithm::es256, signature_algorithm::eddsa}) {
        if (text == to_string(a)) {
            return a;
        }
    }
    return fail(errc::invalid_argument, "unknown_algorithm", "RS256, ES256 and EdDSA are known");
}

result<public_key> public_key::ed25519_from_pem(const std::string& pem) {
    const bio_ptr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
    key_ptr key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr), &EVP_PKEY_free);
    if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
        return bad_key("not an Ed25519 public key in PEM");
    }
    return public_key(std::make_shared<const state>(std::move(key)), signature_algorithm::eddsa);
}

result<public_key> public_key::ed25519(std::string_view point) {
    if (point.size() != ed25519_bytes) {
        return bad_key("an Ed25519 key has 32 bytes");
    }
    key_ptr key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(point), point.size()),
        &EVP_PKEY_free);
    if (!key) {
        return bad_key("not an Ed25519 key");
    }
    return public_key(std::make_shared<const state>(std::move(key)), signature_algorithm::eddsa);
}

result<public_key> public_key::p256(std::string_view x, std::string_view y) {
    if (x.size() != p256_bytes || y.size() != p256_bytes) {
        return bad_key("a coordinate of P-256 has 32 bytes");
    }
    const std::string point = "\x04" + std::string(x) + std::string(y);
    const builder_ptr builder(OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free);
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    const params_ptr params(OSSL_PARAM_BLD_to_param(builder.get()), &OSSL_PARAM_free);
    auto key = key_from("EC", params.get());
    if (!key) {
        return bad_key("not a point of P-256");
    }
    return public_key(std::make_shared<const state>(std::move(key)), signature_algorithm::es256);
}

result<public_key> public_key::rsa(std::string_view modulus, std::string_view exponent) {
    if (modulus.size() > rsa_bits_max / 8 + 1 || exponent.size() > 8) {
        return bad_key("an RSA key has 2048 to 8192 bits");
    }
    const auto n = number_of(modulus);
    const auto e = number_of(exponent);
    if (!n || !e || BN_num_bits(n.get()) < rsa_bits_min || BN_num_bits(n.get()) > rsa_bits_max) {
        return bad_key("an RSA key has 2048 to 8192 bits");
    }
    if (BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) != 0 ||
        BN_num_bits(e.get()) > rsa_exponent_bits_max) {
        return bad_key("the exponent of the RSA key is not one in use");
    }
    const builder_ptr builder(OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free);
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    const params_ptr params(OSSL_PARAM_BLD_to_param(builder.get()), &OSSL_PARAM_free);
    auto key = key_from("RSA", params.get());
    if (!key) {
        return bad_key("not an RSA key");
    }
    return public_key(std::make_shared<const state>(std::move(key)), signature_algorithm::rs256);
}

bool public_key::verify(std::string_view text, std::string_view signature) const {
    auto* key = state_->key.get();
    switch (algorithm_) {
        case signature_algorithm::rs256:
            return signature.size() == static_cast<std::size_t>(EVP_PKEY_get_size(key)) &&
                   verify_with(key, EVP_sha256(), text, signature);
        case signature_algorithm::es256: {
            const auto der = der_of(signature);
            return der && verify_with(key, EVP_sha256(), text, *der);
        }
        case signature_algorithm::eddsa:
            return signature.size() == 64 && verify_with(key, nullptr, text, signature);
    }
    return false;
}

}  // namespace vora::auth
