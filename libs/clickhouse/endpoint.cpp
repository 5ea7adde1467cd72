#include "libs/base/encoding.hpp"
#include "libs/clickhouse/client.hpp"
#include "libs/net/tls.hpp"

#include <algorithm>
#include <string_view>

namespace vora::clickhouse {

namespace {

constexpr std::size_t database_bytes_max = 64;

std::unexpected<error> bad() {
    return fail(errc::invalid_argument, "bad_config_value",
                "must be http(s)://USER:PASSWORD@HOST:PORT/DATABASE or http://HOST:PORT");
}

// It stands in SQL text as it is.
bool is_database(std::string_view name) {
    return !name.empty() && name.size() <= database_bytes_max &&
           (name.front() < '0' || name.front() > '9') && std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_';
           });
}

// "USER:PASSWORD", percent-encoded.
result<void> take_login(endpoint& e, std::string_view login) {
    const auto colon = login.find(':');
    auto user = percent_decode(login.substr(0, colon));
    auto password = percent_decode(colon == login.npos ? "" : login.substr(colon + 1));
    if (!user || !password || user->empty()) {
        return bad();
    }
    e.user = std::move(*user);
    e.password = std::move(*password);
    return {};
}

}  // namespace

result<endpoint> parse_endpoint(std::string_view text) {
    const auto scheme_end = text.find("://");
    const auto scheme = text.substr(0, scheme_end == text.npos ? 0 : scheme_end);
    if (scheme != "clickhouse" && scheme != "http" && scheme != "https") {
        return bad();
    }
    auto rest = text.substr(scheme_end + 3);
    endpoint e;
    if (const auto at = rest.rfind('@'); at != rest.npos) {
        if (auto ok = take_login(e, rest.substr(0, at)); !ok) {
            return fail(ok.error());
        }
        rest.remove_prefix(at + 1);
    }
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    if (const auto slash = rest.find('/'); slash != rest.npos) {
        e.database = rest.substr(slash + 1);
        rest = rest.substr(0, slash);
        if (!is_database(e.database)) {
            return bad();
        }
    }
    const auto colon = rest.rfind(':');
    const bool has_port = colon != rest.npos && colon > 0 && rest.back() != ']' &&
                          parse_uint(rest.substr(colon + 1)).has_value();
    if (rest.empty() || rest.find_first_of("?# ") != rest.npos ||
        (colon != rest.npos && rest.back() != ']' && !has_port)) {
        return bad();
    }
    const bool secure = scheme == "https";
    e.url = (secure ? "https://" : "http://") + std::string(rest) +
            (has_port ? "" : (secure ? ":8443" : ":8123"));
    return e;
}

result<std::shared_ptr<net::transport_security>> security_for(const endpoint& at,
                                                              const std::string& ca_file) {
    if (!at.url.starts_with("https://")) {
        return std::shared_ptr<net::transport_security>();
    }
    return net::make_tls(ca_file);
}

}  // namespace vora::clickhouse
