#pragma once
// A key that signatures are checked with. It has exactly one algorithm, which follows from its
// kind: a token cannot choose another one.

#include "libs/base/result.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace vora::auth {

enum class signature_algorithm { rs256, es256, eddsa };

std::string_view to_string(signature_algorithm a);  // "RS256", "ES256", "EdDSA"
result<signature_algorithm> parse_algorithm(std::string_view text);

class public_key {
 public:
    // invalid_argument ("bad_public_key") from each. Bytes are big-endian, as in RFC 7518.
    static result<public_key> ed25519_from_pem(const std::string& pem);
    static result<public_key> ed25519(std::string_view point);               // 32 bytes
    static result<public_key> p256(std::string_view x, std::string_view y);  // 32 bytes each
    static result<public_key> rsa(std::string_view modulus,
                                  std::string_view exponent);  // 2048 to 8192 bits

    signature_algorithm algorithm() const { return algorithm_; }
    // The signature as RFC 7518 and RFC 8037 write it: for ES256 that is r and s, 64 bytes.
    bool verify(std::string_view text, std::string_view signature) const;

 private:
    struct state;
    public_key(std::shared_ptr<const state> s, signature_algorithm a)
        : state_(std::move(s)), algorithm_(a) {}
    std::shared_ptr<const state> state_;
    signature_algorithm algorithm_;
};

using key_set = std::map<std::string, public_key, std::less<>>;  // by kid

}  // namespace vora::auth
