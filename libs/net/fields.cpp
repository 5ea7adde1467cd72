#include "libs/net/fields.hpp"

#include "libs/base/encoding.hpp"

#include <algorithm>

namespace vora::net::detail {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Fields that must not stand twice: with two values, two readers may believe two different ones.
bool is_single(std::string_view name) {
    static constexpr std::string_view singles[] = {"authorization",
                                                   "content-length",
                                                   "content-type",
                                                   "expect",
                                                   "host",
                                                   "idempotency-key",
                                                   "if-match",
                                                   "if-modified-since",
                                                   "if-none-match",
                                                   "if-range",
                                                   "if-unmodified-since",
                                                   "origin",
                                                   "range",
                                                   "transfer-encoding",
                                                   "x-http-method-override",
                                                   "x-request-id"};
    for (const auto single : singles) {
        if (equal_without_case(name, single)) {
            return true;
        }
    }
    for (const std::string_view prefix : {"upload-", "tus-", "webhook-"}) {
        if (equal_without_case(name.substr(0, prefix.size()), prefix)) {
            return true;
        }
    }
    return false;
}

std::optional<refusal> parse_field(std::string_view line, headers& into) {
    if (line.starts_with(' ') || line.starts_with('\t')) {
        return refusal{400, "obs_fold", "a header line starts with a space"};
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
        return refusal{400, "bad_field", "a header line is not a name and a colon"};
    }
    const auto name = line.substr(0, colon);
    const auto raw = line.substr(colon + 1);
    if (!is_field_value(raw)) {
        return refusal{400, "bad_field", "a header value holds a control byte"};
    }
    const bool frames = equal_without_case(name, "transfer-encoding") ||
                        equal_without_case(name, "content-length") ||
                        equal_without_case(name, "host");
    if (frames && raw.find('\t') != std::string_view::npos) {
        return refusal{400, "bad_field", "a tab in a field that frames the request"};
    }
    if (is_single(name) && into.get(name)) {
        return refusal{400, "duplicate_field", "a header field stands twice"};
    }
    into.add(name, trim(raw));
    return std::nullopt;
}

}  // namespace

bool is_token_char(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    });
}

bool equal_without_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::optional<refusal> parse_fields(std::string_view section, std::size_t fields_max,
                                    headers& into) {
    std::size_t fields = 0;
    while (!section.empty()) {
        const std::size_t end = section.find("\r\n");
        if (end == std::string_view::npos) {
            return refusal{400, "bad_field", "a header line has no end"};
        }
        if (++fields > fields_max) {
            return refusal{431, "too_many_fields", "too many header fields"};
        }
        if (auto bad = parse_field(section.substr(0, end), into)) {
            return bad;
        }
        section.remove_prefix(end + 2);
    }
    return std::nullopt;
}

std::expected<framing, refusal> parse_framing(const headers& fields, bool http_1_1) {
    framing f;
    const auto coding = fields.get("Transfer-Encoding");
    const auto length = fields.get("Content-Length");
    if (coding && length) {
        return std::unexpected(refusal{400, "ambiguous_length",
                                       "both Transfer-Encoding and Content-Length are given"});
    }
    if (coding) {
        if (!http_1_1 || !equal_without_case(*coding, "chunked")) {
            return std::unexpected(refusal{400, "bad_transfer_encoding",
                                           "the only transfer coding is chunked, on HTTP/1.1"});
        }
        f.chunked = true;
    }
    if (length) {
        const auto value = parse_uint(*length);
        const bool padded = length->size() > 1 && length->starts_with('0');
        if (!value || padded) {
            return std::unexpected(
                refusal{400, "bad_content_length", "Content-Length is not a plain number"});
        }
        f.length = *value;
    }
    return f;
}

bool has_word(const headers& fields, std::string_view name, std::string_view word) {
    for (const auto& [field, value] : fields.all()) {
        if (!equal_without_case(field, name)) {
            continue;
        }
        std::string_view left = value;
        while (!left.empty()) {
            const std::size_t comma = left.find(',');
            if (equal_without_case(trim(left.substr(0, comma)), word)) {
                return true;
            }
            left = comma == std::string_view::npos ? std::string_view{} : left.substr(comma + 1);
        }
    }
    return false;
}

}  // namespace vora::net::detail
