#pragma once
// Thin wrappers over OpenSSL for what every module needs. Keys and signatures: libs/auth.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace vora {

// n bytes of the system's random generator.
std::string random_bytes(std::size_t n);
// n random bytes in hex: 2n characters.
std::string random_hex(std::size_t n);
// RFC 9562 version 4, lower case.
std::string random_uuid();
// True for a lower-case RFC 9562 text form, any version.
bool is_uuid(std::string_view text);

std::string sha256(std::string_view bytes);  // 32 raw bytes
std::string sha256_hex(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 raw bytes
bool equal_constant_time(std::string_view a, std::string_view b);

// SHA-256 over pieces.
class sha256_stream {
 public:
    sha256_stream();
    ~sha256_stream();
    sha256_stream(sha256_stream&&) noexcept;
    void update(std::string_view bytes);
    std::string finish_hex();  // once

 private:
    struct state;
    std::unique_ptr<state> state_;
};

// SHA-512 over pieces.
class sha512_stream {
 public:
    sha512_stream();
    ~sha512_stream();
    sha512_stream(const sha512_stream&) = delete;
    void update(std::string_view bytes);
    std::string finish();  // 64 raw bytes, once

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora
