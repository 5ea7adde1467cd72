#pragma once
// Header fields as bytes, shared by the request gate and the client. Private to libs/net.

#include "libs/net/gate.hpp"
#include "libs/net/http.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace vora::net::detail {

// RFC 9110 token: what a method or a field name is made of.
bool is_token_char(char c);
bool is_token(std::string_view text);
// What may stand in a field value: visible, space, tab and bytes above 127; no other control byte.
bool is_field_value(std::string_view text);
bool equal_without_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);  // spaces and tabs

// `section` is zero or more lines, each ended by CRLF, without the empty line that ends a head.
std::optional<refusal> parse_fields(std::string_view section, std::size_t fields_max,
                                    headers& into);

// How long the message is. Absent both: no body in a request, until the connection ends in an
// answer.
struct framing {
    bool chunked = false;
    std::optional<std::uint64_t> length;
};
std::expected<framing, refusal> parse_framing(const headers& fields, bool http_1_1);

// True when a comma-separated field holds this word, e.g. Connection: close.
bool has_word(const headers& fields, std::string_view name, std::string_view word);

}  // namespace vora::net::detail
