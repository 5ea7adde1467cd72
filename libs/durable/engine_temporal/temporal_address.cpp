#include "libs/durable/engine_temporal/temporal_address.hpp"

#include <algorithm>
#include <charconv>

namespace vora::durable {

namespace {

constexpr std::string_view scheme = "temporal://";
constexpr std::string_view default_port = "7233";
constexpr std::size_t name_bytes_max = 255;

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= name_bytes_max && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

bool is_host(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']') && text.size() > 2) {  // IPv6
        return std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
                   c == ':' || c == '.';
        });
    }
    return is_name(text);
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto end = text.data() + text.size();
    const auto [at, ec] = std::from_chars(text.data(), end, port);
    return ec == std::errc() && at == end && port >= 1 && port <= 65535;
}

std::unexpected<error> bad(const std::string& why) {
    return fail(errc::invalid_argument, "bad_temporal_url",
                why + ": it is temporal://HOST:PORT/NAMESPACE");
}

}  // namespace

result<temporal_address> parse_temporal_url(std::string_view url) {
    if (!url.starts_with(scheme)) {
        return bad("the address does not begin with temporal://");
    }
    url.remove_prefix(scheme.size());
    temporal_address out;
    if (const auto slash = url.find('/'); slash != url.npos) {
        out.namespace_name = url.substr(slash + 1);
        url = url.substr(0, slash);
        if (!is_name(out.namespace_name)) {
            return bad("the namespace is not a name");
        }
    }
    std::string_view port = default_port;
    if (const auto colon = url.rfind(':'); colon != url.npos && !url.ends_with(']')) {
        port = url.substr(colon + 1);
        url = url.substr(0, colon);
    }
    if (!is_host(url)) {
        return bad("the host is not a name or an address");
    }
    if (!is_port(port)) {
        return bad("the port is not a number from 1 to 65535");
    }
    out.host_port = std::string(url) + ":" + std::string(port);
    return out;
}

}  // namespace vora::durable
