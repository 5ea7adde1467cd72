// Fuzzes the request gate and the chunked decoder: whatever arrives, and in whatever pieces, the
// verdict is the same, and what passes keeps what the gate promises.

#include "libs/base/assert.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/chunked.hpp"
#include "libs/net/gate.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using vora::net::chunked_decoder;

std::expected<std::size_t, vora::net::refusal> scan(std::string_view raw, std::size_t step) {
    vora::net::head_scanner scanner(16 * 1024);
    for (std::size_t n = std::min(step, raw.size());; n = std::min(n + step, raw.size())) {
        auto size = scanner.scan(raw.substr(0, n));
        if (!size || *size > 0 || n == raw.size()) {
            return size;
        }
    }
}

void check_promises(const vora::net::request_head& head) {
    VORA_ASSERT(head.path == "*" || head.path.starts_with('/'));
    VORA_ASSERT(head.path.find("//") == std::string::npos);
    VORA_ASSERT((head.path + '/').find("/../") == std::string::npos);
    VORA_ASSERT(head.path.find('\\') == std::string::npos);
    VORA_ASSERT(head.path.find('\0') == std::string::npos);
    VORA_ASSERT(vora::is_valid_utf8(head.path));
    VORA_ASSERT(!(head.chunked && head.content_length));
    VORA_ASSERT(head.headers.count("Host") <= 1);
    VORA_ASSERT(head.headers.count("Content-Length") <= 1);
    VORA_ASSERT(head.headers.count("Transfer-Encoding") == (head.chunked ? 1u : 0u));
    for (const auto& [name, value] : head.headers.all()) {
        VORA_ASSERT(value.find_first_of("\r\n") == std::string::npos);
    }
}

void fuzz_gate(std::string_view raw, std::size_t step) {
    const auto whole = scan(raw, raw.size() + 1);
    const auto pieces = scan(raw, step);
    VORA_ASSERT(whole.has_value() == pieces.has_value());
    if (!whole) {
        VORA_ASSERT(whole.error().reason == pieces.error().reason);
        return;
    }
    VORA_ASSERT(*whole == *pieces);
    if (*whole > 0) {
        const auto head = vora::net::parse_head(raw.substr(0, *whole), {});
        if (head) {
            check_promises(*head);
        }
    }
}

std::string decode(std::string_view raw, std::size_t step, std::string& verdict) {
    chunked_decoder decoder;
    std::string data;
    std::size_t used = 0;
    while (used < raw.size() && !decoder.done() && !decoder.failed()) {
        const auto piece = raw.substr(used, step);
        if (decoder.data_left() > 0) {
            const auto n = std::min<std::uint64_t>(piece.size(), decoder.data_left());
            data += piece.substr(0, n);
            decoder.take(n);
            used += n;
        } else {
            used += decoder.feed(piece);
        }
    }
    verdict = (decoder.done()     ? "done "
               : decoder.failed() ? "failed "
                                  : "open ") +
              std::to_string(used);
    return data;
}

void fuzz_chunked(std::string_view raw, std::size_t step) {
    std::string whole;
    std::string pieces;
    const std::string a = decode(raw, raw.size() + 1, whole);
    const std::string b = decode(raw, step, pieces);
    VORA_ASSERT(a == b);
    VORA_ASSERT(whole == pieces);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view raw(reinterpret_cast<const char*>(bytes) + 1, size - 1);
    const std::size_t step = 1 + (bytes[0] & 0x3f);
    if ((bytes[0] & 0x80) != 0) {
        fuzz_chunked(raw, step);
    } else {
        fuzz_gate(raw, step);
    }
    return 0;
}
