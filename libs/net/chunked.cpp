#include "libs/net/chunked.hpp"

#include "libs/base/assert.hpp"
#include "libs/net/fields.hpp"

namespace vora::net {

namespace {

constexpr std::uint64_t size_max = (1ull << 53) - 1;

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_visible(char c) {
    return c == '\t' || (c >= 0x20 && c < 0x7f);
}

}  // namespace

std::size_t chunked_decoder::feed(std::string_view in) {
    std::size_t used = 0;
    while (used < in.size() && state_ != state::data && !done() && !failed()) {
        state_ = next(in[used]);
        ++used;
    }
    return used;
}

void chunked_decoder::take(std::uint64_t bytes) {
    VORA_ASSERT(bytes <= data_left_);
    data_left_ -= bytes;
    if (data_left_ == 0 && state_ == state::data) {
        state_ = state::data_cr;
    }
}

chunked_decoder::state chunked_decoder::next(char c) {
    switch (state_) {
        case state::size_first:
            size_ = 0;
            digits_ = 0;
            return size_digit(c);
        case state::size:
            if (c == '\r') {
                return state::size_lf;
            }
            return c == ';' ? extension_byte(c) : size_digit(c);
        case state::extension:
            return extension_byte(c);
        case state::size_lf:
            return c == '\n' ? after_size_line() : state::failed;
        case state::data_cr:
            return c == '\r' ? state::data_lf : state::failed;
        case state::data_lf:
            return c == '\n' ? state::size_first : state::failed;
        case state::trailer_first:
            if (c == '\r') {
                return state::end_lf;
            }
            return c == ':' ? state::failed : trailer_byte(c);
        case state::trailer_name:
        case state::trailer_value:
            return trailer_byte(c);
        case state::trailer_lf:
            return c == '\n' ? state::trailer_first : state::failed;
        case state::end_lf:
            return c == '\n' ? state::done : state::failed;
        case state::data:
        case state::done:
        case state::failed:
            break;
    }
    return state::failed;
}

chunked_decoder::state chunked_decoder::size_digit(char c) {
    const int value = hex_value(c);
    if (value < 0 || ++digits_ > 16) {
        return state::failed;
    }
    // 16 digits at most, and checked after each: no overflow.
    size_ = size_ * 16 + static_cast<std::uint64_t>(value);
    return size_ > size_max ? state::failed : state::size;
}

chunked_decoder::state chunked_decoder::after_size_line() {
    if (size_ == 0) {
        return state::trailer_first;
    }
    data_left_ = size_;
    return state::data;
}

chunked_decoder::state chunked_decoder::extension_byte(char c) {
    if (++extension_bytes_ > extension_bytes_max) {
        return state::failed;
    }
    if (c == '\r') {
        return state::size_lf;
    }
    return is_visible(c) ? state::extension : state::failed;
}

chunked_decoder::state chunked_decoder::trailer_byte(char c) {
    if (++trailer_bytes_ > trailer_bytes_max) {
        return state::failed;
    }
    if (state_ != state::trailer_value) {
        if (c == ':') {
            return state::trailer_value;
        }
        return detail::is_token_char(c) ? state::trailer_name : state::failed;
    }
    if (c == '\r') {
        return state::trailer_lf;
    }
    return detail::is_field_value({&c, 1}) ? state::trailer_value : state::failed;
}

}  // namespace vora::net
