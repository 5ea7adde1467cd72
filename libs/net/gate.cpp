#include "libs/net/gate.hpp"

#include "libs/base/encoding.hpp"
#include "libs/net/fields.hpp"

#include <algorithm>

namespace vora::net {

namespace {

using detail::equal_without_case;

std::unexpected<refusal> refuse(std::string_view reason, std::string_view detail,
                                int status = 400) {
    return std::unexpected(refusal{status, reason, detail});
}

bool is_known_method(std::string_view method) {
    for (const std::string_view known :
         {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
        if (method == known) {
            return true;
        }
    }
    return false;
}

struct request_line {
    std::string_view method;
    std::string_view target;
    bool http_1_1 = true;
};

std::expected<request_line, refusal> parse_request_line(std::string_view line,
                                                        std::size_t target_bytes_max) {
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) {
        return refuse("bad_request_line", "the request line is not METHOD TARGET HTTP/1.1");
    }
    request_line parsed{line.substr(0, first), line.substr(first + 1, second - first - 1), true};
    const auto version = line.substr(second + 1);
    if (!is_known_method(parsed.method)) {
        return refuse("unknown_method", "this method is not known here");
    }
    if (parsed.target.size() > target_bytes_max) {
        return refuse("target_too_large", "the request target is too long", 431);
    }
    if (version != "HTTP/1.1" && version != "HTTP/1.0") {
        return refuse("bad_version", "the version is neither HTTP/1.1 nor HTTP/1.0");
    }
    parsed.http_1_1 = version == "HTTP/1.1";
    return parsed;
}

// The path is decoded once, here; nobody decodes it again.
std::expected<std::string, refusal> decode_path(std::string_view raw) {
    const auto bad = [](std::string_view detail) { return refuse("bad_path", detail); };
    if (raw.find('\\') != std::string_view::npos) {
        return bad("a backslash in the path");
    }
    for (std::size_t at = raw.find('%'); at != std::string_view::npos; at = raw.find('%', at + 1)) {
        const auto escape = raw.substr(at, 3);
        if (equal_without_case(escape, "%2f") || equal_without_case(escape, "%5c")) {
            return bad("an encoded slash in the path");
        }
    }
    auto path = percent_decode(raw);
    if (!path) {
        return bad("a bad percent escape in the path");
    }
    if (!is_valid_utf8(*path)) {
        return bad("the path is not UTF-8");
    }
    for (const char c : *path) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            return bad("a control byte in the path");
        }
    }
    // Segments after decoding: "%2e%2e" is "..".
    std::string_view left = std::string_view(*path).substr(1);
    for (;;) {
        const std::size_t slash = left.find('/');
        const auto segment = left.substr(0, slash);
        if (segment == "." || segment == "..") {
            return bad("a dot segment in the path");
        }
        if (slash == std::string_view::npos) {
            break;
        }
        if (segment.empty()) {
            return bad("an empty segment in the path");
        }
        left = left.substr(slash + 1);
    }
    return std::move(*path);
}

std::optional<std::string> decode_query_part(std::string_view raw) {
    std::string spaced(raw);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    auto text = percent_decode(spaced);
    if (!text || !is_valid_utf8(*text)) {
        return std::nullopt;
    }
    return std::move(*text);
}

std::optional<refusal> parse_query(std::string_view raw, request_head& head) {
    while (!raw.empty()) {
        const std::size_t end = raw.find('&');
        const auto pair = raw.substr(0, end);
        raw = end == std::string_view::npos ? std::string_view{} : raw.substr(end + 1);
        if (pair.empty()) {
            continue;
        }
        const std::size_t equals = pair.find('=');
        auto key = decode_query_part(pair.substr(0, equals));
        auto value = decode_query_part(equals == std::string_view::npos ? std::string_view{}
                                                                        : pair.substr(equals + 1));
        if (!key || !value) {
            return refusal{400, "bad_query", "a bad percent escape in the query"};
        }
        head.query.emplace_back(std::move(*key), std::move(*value));
    }
    return std::nullopt;
}

std::optional<refusal> parse_target(std::string_view target, request_head& head) {
    for (const char c : target) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte >= 0x7f || c == '#') {
            return refusal{400, "bad_target", "a byte in the request target that must be escaped"};
        }
    }
    if (target == "*" && head.method == "OPTIONS") {
        head.path = head.raw_path = "*";
        return std::nullopt;
    }
    if (!target.starts_with('/')) {
        return refusal{400, "bad_target", "the request target is not an absolute path"};
    }
    const std::size_t mark = target.find('?');
    head.raw_path = target.substr(0, mark);
    auto path = decode_path(head.raw_path);
    if (!path) {
        return path.error();
    }
    head.path = std::move(*path);
    return mark == std::string_view::npos ? std::nullopt
                                          : parse_query(target.substr(mark + 1), head);
}

bool is_port(std::string_view text) {
    const auto value = parse_uint(text);
    return text.size() <= 5 && value && *value <= 65535;
}

bool is_valid_host(std::string_view host) {
    if (host.empty() || host.size() > 255) {
        return false;
    }
    std::size_t end = 0;
    if (host.starts_with('[')) {
        end = host.find(']');
        if (end == std::string_view::npos || end < 3) {
            return false;
        }
        const auto inside = host.substr(1, end - 1);
        if (inside.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
            return false;
        }
        ++end;
    } else {
        end = std::min(host.find(':'), host.size());
        const auto is_name_char = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '.' || c == '_';
        };
        const auto name = host.substr(0, end);
        if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_char)) {
            return false;
        }
    }
    return end == host.size() || (host[end] == ':' && is_port(host.substr(end + 1)));
}

std::optional<refusal> check_fields(request_head& head, bool http_1_1) {
    const auto host = head.headers.get("Host");
    if (host ? !is_valid_host(*host) : http_1_1) {
        return refusal{400, "bad_host", "exactly one valid Host is needed"};
    }
    head.host = host.value_or("");
    auto framed = detail::parse_framing(head.headers, http_1_1);
    if (!framed) {
        return framed.error();
    }
    head.chunked = framed->chunked;
    head.content_length = framed->length;
    if (const auto expect = head.headers.get("Expect")) {
        if (!equal_without_case(*expect, "100-continue")) {
            return refusal{400, "bad_expect", "the only expectation is 100-continue"};
        }
        head.expects_continue = http_1_1;
    }
    head.keep_alive = http_1_1 && !detail::has_word(head.headers, "Connection", "close");
    return std::nullopt;
}

}  // namespace

std::expected<std::size_t, refusal> head_scanner::scan(std::string_view bytes) {
    if (!bytes.empty() && (bytes[0] < 'A' || bytes[0] > 'Z')) {
        return refuse("bad_request_line", "a request starts with a method");
    }
    const auto seen = bytes.substr(0, std::min(bytes.size(), bytes_max_));
    for (; at_ < seen.size(); ++at_) {
        const char c = seen[at_];
        const bool after_cr = at_ > 0 && seen[at_ - 1] == '\r';
        if (c != '\n') {
            if (after_cr) {
                return refuse("bare_cr", "a carriage return without a line feed");
            }
            continue;
        }
        if (!after_cr) {
            return refuse("bare_lf", "a line feed without a carriage return");
        }
        if (at_ - 1 == line_start_) {
            return at_ + 1;
        }
        line_start_ = at_ + 1;
    }
    if (bytes.size() >= bytes_max_) {
        return refuse("header_too_large", "the request head is too large", 431);
    }
    return 0;
}

std::expected<request_head, refusal> parse_head(std::string_view head, const gate_limits& limits) {
    if (head.size() < 4 || !head.ends_with("\r\n\r\n") || head.size() > limits.header_bytes_max) {
        return refuse("bad_request_line", "not a complete request head");
    }
    const std::size_t line_end = head.find("\r\n");
    const auto line = parse_request_line(head.substr(0, line_end), limits.target_bytes_max);
    if (!line) {
        return std::unexpected(line.error());
    }
    request_head parsed;
    parsed.method = line->method;
    if (auto bad = parse_target(line->target, parsed)) {
        return std::unexpected(*bad);
    }
    const auto section = head.substr(line_end + 2, head.size() - line_end - 4);
    if (auto bad = detail::parse_fields(section, limits.header_fields_max, parsed.headers)) {
        return std::unexpected(*bad);
    }
    if (auto bad = check_fields(parsed, line->http_1_1)) {
        return std::unexpected(*bad);
    }
    return parsed;
}

}  // namespace vora::net
