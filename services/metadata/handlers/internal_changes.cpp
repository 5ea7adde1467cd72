#include "services/metadata/handlers/internal_changes.hpp"

#include "libs/auth/jwt.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/problem.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vora::metadata {

namespace {

constexpr std::uint64_t wait_s_max = 30;

std::uint64_t number(const net::request& r, std::string_view name) {
    return parse_uint(r.query_value(name).value_or("")).value_or(0);
}

}  // namespace

internal_changes::internal_changes(change_feed& feed, std::string internal_secret)
    : feed_(feed), internal_secret_(std::move(internal_secret)) {}

net::router internal_changes::routes() {
    net::router router;
    router.add("GET", "/internal/playback/changes", [this](net::request& r) { return changes(r); });
    return router;
}

task<net::response> internal_changes::changes(net::request& r) {
    const auto token = auth::bearer_token(r.headers.get("Authorization").value_or(""));
    if (internal_secret_.empty() || !equal_constant_time(token, internal_secret_)) {
        co_return net::problem(r, 401, "bad_internal_secret", "");
    }
    const auto limit = seconds(std::min(number(r, "wait_s"), wait_s_max));
    auto found = co_await feed_.wait(std::string(r.query_value("epoch").value_or("")),
                                     number(r, "after"), limit);
    auto ids = nlohmann::json::array();
    for (const auto& id : found.ids) {
        ids.push_back(id.value);
    }
    const nlohmann::json body{{"epoch", found.epoch},
                              {"last", found.last},
                              {"missed", found.missed},
                              {"videos", std::move(ids)}};
    co_return net::response::json(200, body.dump());
}

}  // namespace vora::metadata
