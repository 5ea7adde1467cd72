#include "services/dashboard/handlers/cookies.hpp"

#include "libs/auth/jwt.hpp"

namespace vora::dashboard {

namespace {

std::string attributes(const net::request& r) {
    std::string text = "; Path=/; HttpOnly; SameSite=Strict";
    return r.scheme == "https" ? text + "; Secure" : text;
}

}  // namespace

std::string make_cookie(const net::request& r, std::string_view token, std::chrono::seconds age) {
    return std::string(auth::session_cookie) + "=" + std::string(token) +
           "; Max-Age=" + std::to_string(age.count()) + attributes(r);
}

std::string clear_cookie(const net::request& r) {
    return std::string(auth::session_cookie) + "=; Max-Age=0" + attributes(r);
}

}  // namespace vora::dashboard
