#pragma once
// GET /v1/openapi.json: contracts/openapi/vora.json, as it was when this was built.

#include "libs/net/router.hpp"

namespace vora::metadata {

net::router openapi_routes();

}  // namespace vora::metadata
