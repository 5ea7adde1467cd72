#include "libs/blob/blob.hpp"

#include <algorithm>

namespace vora::blob {

namespace {

constexpr std::size_t key_bytes_max = 512;

bool is_key_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool is_valid_segment(std::string_view segment) {
    return !segment.empty() && segment != "." && segment != ".." &&
           std::ranges::all_of(segment, is_key_character);
}

}  // namespace

bool is_valid_key(std::string_view key) {
    if (key.empty() || key.size() > key_bytes_max) {
        return false;
    }
    for (;;) {
        const auto slash = key.find('/');
        if (!is_valid_segment(key.substr(0, slash))) {
            return false;
        }
        if (slash == std::string_view::npos) {
            return true;
        }
        key.remove_prefix(slash + 1);
    }
}

task<result<std::string>> read_object(reader& r, std::string key, std::size_t bytes_max) {
    auto stream = co_await r.open(std::move(key), std::nullopt);
    if (!stream) {
        co_return fail(stream.error());
    }
    const auto size = (*stream)->info().size_bytes;
    if (size > bytes_max) {
        co_return fail(errc::resource_exhausted, "object_too_large");
    }
    std::string bytes(size, '\0');
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        auto n = co_await (*stream)->read(std::span(bytes).subspan(filled));
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            co_return fail(errc::data_loss, "object_short");
        }
        filled += *n;
    }
    co_return bytes;
}

}  // namespace vora::blob
