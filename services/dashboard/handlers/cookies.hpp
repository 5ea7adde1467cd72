#pragma once
// The session cookie, and whether a request comes from our own page.

#include "libs/base/clock.hpp"
#include "libs/net/http.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace vora::dashboard {

// The API reads the same cookie.
inline constexpr std::string_view session_cookie = "vora_session";

// The value of the cookie of this name; empty when there is none.
std::string_view cookie_value(const net::request& r, std::string_view name);

// Set-Cookie for a session: no script can read it, no other site can send it.
std::string make_cookie(const net::request& r, std::string_view token, std::chrono::seconds age);
std::string clear_cookie(const net::request& r);

enum class source {
    own,      // the browser says: our own page
    foreign,  // the browser says: another site, or contradicts itself
    unsaid,   // no browser, or a very old one
};

// By Origin, and where a browser sends none, by Sec-Fetch-Site. `api_base`: its pages are ours too.
source source_of(const net::request& r, std::string_view api_base);

}  // namespace vora::dashboard
