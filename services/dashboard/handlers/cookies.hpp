#pragma once
// Setting and clearing the session cookie.

#include "libs/base/clock.hpp"
#include "libs/net/http.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace vora::dashboard {

// Set-Cookie for a session: no script can read it, no other site can send it.
std::string make_cookie(const net::request& r, std::string_view token, std::chrono::seconds age);
std::string clear_cookie(const net::request& r);

}  // namespace vora::dashboard
