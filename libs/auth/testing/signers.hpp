#pragma once
// Signers of every kind, for tests: tokens that are wrong in exactly one way, and the key sets that
// go with them.

#include "libs/base/encoding.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace vora::auth::testing {

class signer {
 public:
    static signer rsa(std::size_t bits = 2048) {
        return {EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits), "RS256"};
    }
    static signer p256() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), "ES256"}; }
    static signer p384() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"), "ES384"}; }
    static signer ed25519() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), "EdDSA"}; }

    const std::string& algorithm() const { return algorithm_; }

    // As RFC 7518 and 8037 write it.
    std::string signature(std::string_view text, const EVP_MD* digest = EVP_sha256()) const {
        const auto raw = plain_signature(text, algorithm_ == "EdDSA" ? nullptr : digest);
        return algorithm_ == "ES256" ? side_by_side(raw) : raw;
    }
    // As OpenSSL makes it: DER for curves.
    std::string plain_signature(std::string_view text, const EVP_MD* digest) const {
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        std::size_t size = 1024;
        std::string out(size, '\0');
        const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
        EVP_DigestSignInit(context, nullptr, digest, nullptr, key_.get());
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(out.data()), &size, bytes,
                       text.size());
        EVP_MD_CTX_free(context);
        out.resize(size);
        return out;
    }
    std::string token(std::string_view header, std::string_view claims) const {
        const auto text = base64url_encode(header) + "." + base64url_encode(claims);
        return text + "." + base64url_encode(signature(text));
    }
    // Its JWK; `more` is put in: R"("kid":"a","use":"sig")".
    std::string jwk(const std::string& more) const {
        const auto tail = more.empty() ? "}" : "," + more + "}";
        if (algorithm_ == "RS256") {
            return R"({"kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
                   number(OSSL_PKEY_PARAM_RSA_E) + "\"" + tail;
        }
        if (algorithm_ == "EdDSA") {
            std::string raw(32, '\0');
            std::size_t size = raw.size();
            EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()),
                                        &size);
            return R"({"kty":"OKP","crv":"Ed25519","x":")" + base64url_encode(raw) + "\"" + tail;
        }
        const std::string curve = algorithm_ == "ES256" ? "P-256" : "P-384";
        const int bytes = algorithm_ == "ES256" ? 32 : 48;
        return R"({"kty":"EC","crv":")" + curve + R"(","x":")" +
               number(OSSL_PKEY_PARAM_EC_PUB_X, bytes) + R"(","y":")" +
               number(OSSL_PKEY_PARAM_EC_PUB_Y, bytes) + "\"" + tail;
    }

 private:
    signer(EVP_PKEY* key, std::string algorithm)
        : key_(key, &EVP_PKEY_free), algorithm_(std::move(algorithm)) {}

    std::string number(const char* name, int bytes = 0) const {
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key_.get(), name, &n);
        std::string out(static_cast<std::size_t>(bytes == 0 ? BN_num_bytes(n) : bytes), '\0');
        BN_bn2binpad(n, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
        BN_free(n);
        return base64url_encode(out);
    }
    static std::string side_by_side(const std::string& der) {
        const auto* at = reinterpret_cast<const unsigned char*>(der.data());
        ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
        std::string out(64, '\0');
        auto* bytes = reinterpret_cast<unsigned char*>(out.data());
        BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + 32, 32);
        ECDSA_SIG_free(pair);
        return out;
    }

    std::shared_ptr<EVP_PKEY> key_;
    std::string algorithm_;
};

inline std::string key_set_of(std::initializer_list<std::string> keys) {
    std::string out;
    for (const auto& key : keys) {
        out += (out.empty() ? "" : ",") + key;
    }
    return R"({"keys":[)" + out + "]}";
}

}  // namespace vora::auth::testing
