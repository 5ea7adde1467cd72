#pragma once
// The one table from the core's errors to HTTP. Passing trouble is never a 4xx that makes a client
// drop its upload, and no word of the store goes outside.

#include "libs/base/result.hpp"
#include "libs/net/http.hpp"

namespace vora::upload {

net::response to_response(const net::request& r, const error& e);

}  // namespace vora::upload
