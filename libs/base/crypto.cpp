#include "libs/base/crypto.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/encoding.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace vora {

namespace {
const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
}  // namespace

std::string random_bytes(std::size_t n) {
    std::string out(n, '\0');
    VORA_ASSERT(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) == 1);
    return out;
}

std::string random_hex(std::size_t n) {
    return hex_encode(random_bytes(n));
}

std::string random_uuid() {
    std::string bytes = random_bytes(16);
    bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
    std::string text = hex_encode(bytes);
    for (std::size_t at : {8u, 13u, 18u, 23u}) {
        text.insert(at, "-");
    }
    return text;
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !digit) {
            return false;
        }
    }
    return true;
}

std::string sha256(std::string_view bytes) {
    std::string out(32, '\0');
    unsigned int size = 0;
    VORA_ASSERT(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()),
                           &size, EVP_sha256(), nullptr) == 1);
    return out;
}

std::string sha256_hex(std::string_view bytes) {
    return hex_encode(sha256(bytes));
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
    std::string out(32, '\0');
    unsigned int size = 0;
    VORA_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(bytes),
                     bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size) != nullptr);
    return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct sha256_stream::state {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~state() { EVP_MD_CTX_free(context); }
};

sha256_stream::sha256_stream() : state_(std::make_unique<state>()) {
    VORA_ASSERT(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
sha256_stream::~sha256_stream() = default;
sha256_stream::sha256_stream(sha256_stream&&) noexcept = default;

void sha256_stream::update(std::string_view bytes) {
    VORA_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string sha256_stream::finish_hex() {
    std::string out(32, '\0');
    unsigned int size = 0;
    VORA_ASSERT(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()),
                                   &size) == 1);
    return hex_encode(out);
}

struct sha512_stream::state {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~state() { EVP_MD_CTX_free(context); }
};

sha512_stream::sha512_stream() : state_(std::make_unique<state>()) {
    VORA_ASSERT(EVP_DigestInit_ex(state_->context, EVP_sha512(), nullptr) == 1);
}
sha512_stream::~sha512_stream() = default;

void sha512_stream::update(std::string_view bytes) {
    VORA_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string sha512_stream::finish() {
    std::string out(64, '\0');
    unsigned int size = 0;
    VORA_ASSERT(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()),
                                   &size) == 1);
    return out;
}

}  // namespace vora
