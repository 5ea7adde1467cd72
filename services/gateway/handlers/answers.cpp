#include "services/gateway/handlers/answers.hpp"

#include "libs/net/problem.hpp"

namespace vora::gateway {

void open_to_all_origins(net::response& answer) {
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Expose-Headers",
                       "Accept-Ranges, Cache-Control, Content-Length, Content-Range, ETag, "
                       "Retry-After, X-Request-Id");
    answer.headers.set("Cross-Origin-Resource-Policy", "cross-origin");
    answer.headers.set("Timing-Allow-Origin", "*");
    answer.headers.set("X-Content-Type-Options", "nosniff");
}

net::response refusal(const net::request& r, int status, const std::string& code,
                      const std::string& detail) {
    auto answer = net::problem(r, status, code, detail);
    if (status == 404) {
        // Without a lifetime a shared cache would keep it for as long as it likes.
        answer.headers.set("Cache-Control", "max-age=0, s-maxage=2");
    }
    if (status >= 500) {
        answer.headers.set("Retry-After", "1");
    }
    return answer;
}

net::response unknown(const net::request& r) {
    return refusal(r, 404, "not_found", "there is nothing under this path");
}

net::response overloaded(const net::request& r) {
    return refusal(r, 503, "overloaded", "too many requests are being served");
}

task<net::response> answer_preflight(net::request&) {
    auto answer = net::response::empty(204);
    open_to_all_origins(answer);
    answer.headers.set("Allow", play_methods);
    answer.headers.set("Access-Control-Allow-Methods", play_methods);
    answer.headers.set("Access-Control-Allow-Headers",
                       "Range, If-Match, If-None-Match, If-Range, CMCD-Object, CMCD-Request, "
                       "CMCD-Session, CMCD-Status");
    answer.headers.set("Access-Control-Max-Age", "86400");
    co_return answer;
}

task<net::response> refuse_method(net::request& r) {
    auto answer = refusal(r, 405, "method_not_allowed", "this path does not take this method");
    answer.headers.set("Allow", play_methods);
    open_to_all_origins(answer);
    co_return answer;
}

task<net::response> answer_unknown(net::request& r) {
    auto answer = unknown(r);
    open_to_all_origins(answer);
    co_return answer;
}

}  // namespace vora::gateway
