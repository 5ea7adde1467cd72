#pragma once

#include "libs/net/http.hpp"

#include <string>
#include <vector>

namespace vora::net {

struct route_options {
    std::size_t body_bytes_max =
        1 << 20;  // request body; Content-Length beyond it is 413 before the handler runs
    bool streams_body = false;     // body_bytes_max does not apply (uploads)
    bool method_override = false;  // honour X-HTTP-Method-Override
};

// Method + pattern -> handler. Patterns: "/v1/videos/{id}" (one segment, never empty),
// "/play/{grant}/{rest...}" (the rest, with slashes, may be empty). The most particular pattern
// wins. Unknown path: 404 problem; known path, other method: 405 with Allow; HEAD falls back to GET
// (the body is dropped by the server). OPTIONS only where a route says so.
class router {
 public:
    using hook = std::function<task<std::optional<response>>(request&)>;

    void add(std::string method, std::string pattern, handler h, route_options options = {});
    // Moves all of other's routes in here: how `vora up` serves several services on one port.
    // Other's before-hooks come along and run only for paths of other's own patterns.
    void merge(router other);
    // Runs before routing, in order; an answer ends the request there. Used for hosts, CORS, auth
    // of whole subtrees. A hook sees the method after X-HTTP-Method-Override. Runs for unknown
    // paths too.
    void before(hook f);

    struct match {
        const handler* h = nullptr;
        route_options options;
        std::vector<std::pair<std::string, std::string>> params;
        std::string pattern;  // for metrics labels; also set when only the method is wrong
        std::vector<std::string> allowed;  // methods, when only the method did not match
    };
    match find(std::string_view method, std::string_view path) const;
    // The whole way: before-hooks, match, limits, handler; never throws: an exception is a 500
    // problem. Only a cancellation of the calling coroutine passes through.
    task<response> dispatch(request& r) const;

 private:
    struct route {
        std::string method;
        std::string pattern;
        std::vector<std::string> segments;
        handler h;
        route_options options;
        std::size_t scope = 0;
    };
    // Scope 0 is this router; merge() adds the other's scopes below it. Hooks run from the outside
    // in.
    struct scope {
        std::size_t parent = 0;
        std::vector<hook> hooks;
    };

    void insert(route r);
    // The routes of the most particular pattern that matches, whatever their method: [first, last).
    std::pair<std::size_t, std::size_t> matching(std::string_view path) const;
    const route* pick(std::string_view method, std::pair<std::size_t, std::size_t> range) const;
    void apply_method_override(request& r) const;
    task<std::optional<response>> run_hooks(request& r, std::size_t scope_index) const;
    task<response> route_request(request& r) const;

    std::vector<route> routes_;  // most particular first, routes of one pattern side by side
    std::vector<scope> scopes_ = std::vector<scope>(1);
};

}  // namespace vora::net
