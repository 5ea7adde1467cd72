#include "services/dashboard/handlers/cookies.hpp"

#include <algorithm>

namespace vora::dashboard {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_without_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == text.npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string attributes(const net::request& r) {
    std::string text = "; Path=/; HttpOnly; SameSite=Strict";
    return r.scheme == "https" ? text + "; Secure" : text;
}

}  // namespace

std::string_view cookie_value(const net::request& r, std::string_view name) {
    for (const auto& [field, value] : r.headers.all()) {
        if (!equal_without_case(field, "Cookie")) {
            continue;
        }
        for (std::string_view rest = value; !rest.empty();) {
            const auto end = rest.find(';');
            const auto pair = trimmed(rest.substr(0, end));
            rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
            if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
                return pair.substr(name.size() + 1);
            }
        }
    }
    return {};
}

std::string make_cookie(const net::request& r, std::string_view token, std::chrono::seconds age) {
    return std::string(session_cookie) + "=" + std::string(token) +
           "; Max-Age=" + std::to_string(age.count()) + attributes(r);
}

std::string clear_cookie(const net::request& r) {
    return std::string(session_cookie) + "=; Max-Age=0" + attributes(r);
}

source source_of(const net::request& r, std::string_view api_base) {
    if (const auto origins = r.headers.count("Origin"); origins > 0) {
        const auto origin = *r.headers.get("Origin");
        const auto scheme = origin.find("://");
        const auto host = scheme == origin.npos ? std::string_view() : origin.substr(scheme + 3);
        const bool ours = (!host.empty() && equal_without_case(host, r.host)) ||
                          (!api_base.empty() && equal_without_case(origin, api_base));
        return origins == 1 && ours ? source::own : source::foreign;
    }
    const auto site = r.headers.get("Sec-Fetch-Site");
    if (!site) {
        return source::unsaid;
    }
    return *site == "same-origin" ? source::own : source::foreign;
}

}  // namespace vora::dashboard
