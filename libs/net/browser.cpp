#include "libs/net/browser.hpp"

#include "libs/net/fields.hpp"

namespace vora::net {

std::string_view cookie_value(const headers& h, std::string_view name) {
    for (const auto& [field, value] : h.all()) {
        if (!detail::equal_without_case(field, "Cookie")) {
            continue;
        }
        for (std::string_view rest = value; !rest.empty();) {
            const auto end = rest.find(';');
            const auto pair = detail::trim(rest.substr(0, end));
            rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
            if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
                return pair.substr(name.size() + 1);
            }
        }
    }
    return {};
}

request_origin origin_of(const request& r, std::string_view public_base) {
    if (const auto origins = r.headers.count("Origin"); origins > 0) {
        const auto origin = *r.headers.get("Origin");
        const auto scheme = origin.find("://");
        const auto host = scheme == origin.npos ? std::string_view() : origin.substr(scheme + 3);
        const bool ours = (!host.empty() && detail::equal_without_case(host, r.host)) ||
                          (!public_base.empty() && detail::equal_without_case(origin, public_base));
        return origins == 1 && ours ? request_origin::own : request_origin::foreign;
    }
    const auto site = r.headers.get("Sec-Fetch-Site");
    if (!site) {
        return request_origin::unsaid;
    }
    return *site == "same-origin" ? request_origin::own : request_origin::foreign;
}

}  // namespace vora::net
