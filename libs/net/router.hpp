#pragma once

#include <string>
#include <vector>

#include "libs/net/http.hpp"

namespace vora::net {

struct route_options {
    std::size_t body_bytes_max = 1 << 20;   // request body; Content-Length beyond it is 413 before the handler runs
    bool streams_body = false;              // body_bytes_max does not apply (uploads)
    bool method_override = false;           // honour X-HTTP-Method-Override
};

// Method + pattern -> handler. Patterns: "/v1/videos/{id}" (one segment), "/play/{grant}/{rest...}" (the
// rest, with slashes). The most particular pattern wins. Unknown path: 404 problem; known path, other
// method: 405 with Allow; HEAD falls back to GET (the body is dropped by the server). OPTIONS only where
// a route says so.
class router {
   public:
    void add(std::string method, std::string pattern, handler h, route_options options = {});
    // Moves all of other's routes in here: how `vora up` serves several services on one port.
    void merge(router other);
    // Runs before routing; an answer ends the request there. Used for hosts, CORS, auth of whole subtrees.
    void before(std::function<task<std::optional<response>>(request&)> f);

    struct match {
        const handler* h = nullptr;
        route_options options;
        std::vector<std::pair<std::string, std::string>> params;
        std::string pattern;              // for metrics labels
        std::vector<std::string> allowed; // methods, when only the method did not match
    };
    match find(std::string_view method, std::string_view path) const;
    // The whole way: before-hooks, match, limits, handler; never throws: an exception is a 500 problem.
    task<response> dispatch(request& r) const;

   private:
    struct route {
        std::string method;
        std::string pattern;
        std::vector<std::string> segments;
        handler h;
        route_options options;
    };
    std::vector<route> routes_;
    std::vector<std::function<task<std::optional<response>>(request&)>> before_;
};

}  // namespace vora::net
