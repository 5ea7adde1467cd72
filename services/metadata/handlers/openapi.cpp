#include "services/metadata/handlers/openapi.hpp"

#include <string_view>

namespace vora::metadata {

namespace {

constexpr char document[] = {
#embed "../../../contracts/openapi/vora.json"
};
// The build says it, so that a changed document is also a changed command line: compiler caches do
// not look into #embed.
constexpr std::string_view etag = "\"" VORA_OPENAPI_SHA256 "\"";

task<net::response> openapi(net::request& r) {
    net::response answer;
    if (r.headers.get("If-None-Match").value_or("").find(etag) != std::string_view::npos) {
        answer = net::response::empty(304);
    } else {
        answer = net::response::json(200, std::string(document, sizeof document));
    }
    answer.headers.set("ETag", etag);
    answer.headers.set("Cache-Control", "public, max-age=300");
    answer.headers.set("Access-Control-Allow-Origin", "*");
    co_return answer;
}

}  // namespace

net::router openapi_routes() {
    net::router routes;
    routes.add("GET", "/v1/openapi.json", openapi, {.body_bytes_max = 0});
    return routes;
}

}  // namespace vora::metadata
