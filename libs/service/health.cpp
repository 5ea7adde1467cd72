#include "libs/service/health.hpp"

#include "libs/base/async.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace vora::service {

namespace {

task<result<std::string>> checked(const dependency& d) {
    auto r = co_await with_deadline(d.check(), std::chrono::seconds(2));
    co_return r;
}

task<net::response> readyz(std::shared_ptr<const std::vector<dependency>> dependencies) {
    bool ready = true;
    auto list = nlohmann::ordered_json::array();
    for (const auto& d : *dependencies) {
        auto r = co_await checked(d);
        nlohmann::ordered_json entry{{"name", d.name}, {"status", "ok"}};
        if (r) {
            entry["detail"] = *r;
        } else {
            entry["status"] = d.required ? "down" : "degraded";
            entry["detail"] = r.error().reason;
            ready = ready && !d.required;
        }
        list.push_back(std::move(entry));
    }
    const nlohmann::ordered_json body{{"status", ready ? "ready" : "not_ready"},
                                      {"dependencies", std::move(list)}};
    auto answer = net::response::json(ready ? 200 : 503, body.dump());
    answer.headers.set("Cache-Control", "no-store");
    if (!ready) {
        answer.headers.set("Retry-After", "1");
    }
    co_return answer;
}

}  // namespace

task<result<std::string>> is_there(task<result<void>> call, std::string what) {
    auto r = co_await std::move(call);
    if (!r) {
        co_return fail(r.error());
    }
    co_return what;
}

net::router health_routes(std::vector<dependency> dependencies) {
    const auto shared = std::make_shared<const std::vector<dependency>>(std::move(dependencies));
    net::router routes;
    routes.add("GET", "/livez", [](net::request&) -> task<net::response> {
        co_return net::response::json(200, R"({"status":"alive"})");
    });
    routes.add("GET", "/readyz", [shared](net::request&) { return readyz(shared); });
    return routes;
}

}  // namespace vora::service
