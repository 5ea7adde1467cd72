#include "libs/base/encoding.hpp"
#include "libs/clickhouse/client.hpp"

#include <string_view>

namespace vora::clickhouse {

result<endpoint> parse_endpoint(std::string_view text) {
    const auto bad = [] {
        return fail(errc::invalid_argument, "bad_config_value",
                    "must be clickhouse://USER:PASSWORD@HOST:PORT or http://HOST:PORT");
    };
    const auto scheme_end = text.find("://");
    const auto scheme = text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end);
    if (scheme != "clickhouse" && scheme != "http") {
        return bad();
    }
    auto rest = text.substr(scheme_end + 3);
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    endpoint e;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto login = rest.substr(0, at);
        const auto colon = login.find(':');
        auto user = percent_decode(login.substr(0, colon));
        auto password = percent_decode(colon == std::string_view::npos ? std::string_view()
                                                                       : login.substr(colon + 1));
        if (!user || !password) {
            return bad();
        }
        e.user = *user;
        e.password = *password;
        rest.remove_prefix(at + 1);
    }
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && colon > 0 && rest.back() != ']' &&
                          parse_uint(rest.substr(colon + 1)).has_value();
    if (rest.empty() || rest.find('/') != std::string_view::npos ||
        (colon != std::string_view::npos && rest.back() != ']' && !has_port)) {
        return bad();
    }
    e.url = "http://" + std::string(rest) + (has_port ? "" : ":8123");
    return e;
}

}  // namespace vora::clickhouse
