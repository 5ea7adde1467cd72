#pragma once
// What a browser adds by itself: cookies, and where a request comes from.

#include "libs/net/http.hpp"

#include <string_view>

namespace vora::net {

// The value of the cookie of this name, from all Cookie fields; empty when there is none.
std::string_view cookie_value(const headers& h, std::string_view name);

enum class request_origin {
    own,      // the browser says: our own page
    foreign,  // the browser says: another site, or contradicts itself
    unsaid,   // no browser, or a very old one
};

// By Origin, and where a browser sends none, by Sec-Fetch-Site. Our own pages are those of the host
// asked for and of `public_base`, a base URL without a slash at the end, or empty.
request_origin origin_of(const request& r, std::string_view public_base);

}  // namespace vora::net
