#include "services/metadata/handlers/internal_api.hpp"

#include "libs/auth/jwt.hpp"
#include "libs/auth/webhook.hpp"
#include "libs/base/crypto.hpp"
#include "libs/net/problem.hpp"
#include "services/metadata/handlers/input.hpp"
#include "services/metadata/handlers/rest_api.hpp"

namespace vora::metadata {

namespace {
constexpr std::size_t hook_bytes_max = 16 * 1024;
}

internal_api::internal_api(video_repository& repository, completion& uploads,
                           const clock_source& clock, std::string internal_secret,
                           std::string hook_secret, obs::logger log, obs::metrics& metrics)
    : repository_(repository),
      completion_(uploads),
      clock_(clock),
      internal_secret_(std::move(internal_secret)),
      hook_secret_(std::move(hook_secret)),
      log_(std::move(log)),
      hooks_taken_(metrics.counter("vora_metadata_hooks_total", "hooks of the upload service",
                                   {{"result", "taken"}})),
      hooks_refused_(metrics.counter("vora_metadata_hooks_total", "hooks of the upload service",
                                     {{"result", "refused"}})) {}

net::router internal_api::routes() {
    net::route_options small;
    small.body_bytes_max = hook_bytes_max;
    net::router router;
    router.add(
        "POST", "/internal/hooks/upload", [this](net::request& r) { return hook(r); }, small);
    router.add(
        "GET", "/internal/playback/{id}", [this](net::request& r) { return playback(r); }, small);
    return router;
}

task<net::response> internal_api::hook(net::request& r) {
    auto body = co_await net::read_all(*r.body, hook_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    const auto header = [&](std::string_view name) { return r.headers.get(name).value_or(""); };
    auto genuine =
        auth::verify_webhook(hook_secret_, header("webhook-id"), header("webhook-timestamp"),
                             header("webhook-signature"), *body, clock_.now());
    if (!genuine) {
        hooks_refused_.add();
        co_return net::problem(r, genuine.error());
    }
    auto event = parse_hook(*body);
    if (!event) {
        hooks_refused_.add();
        co_return net::problem(r, 400, event.error().code, event.error().detail);
    }
    const auto upload = event->id.value;
    auto heard = co_await completion_.hook(std::move(*event));
    if (!heard) {
        hooks_refused_.add();
        log_.warn("hook_postponed", {{"upload", upload}, {"reason", heard.error().reason}});
        co_return problem_of(r, heard.error());
    }
    hooks_taken_.add();
    co_return net::response::empty(204);
}

task<net::response> internal_api::playback(net::request& r) {
    const auto token = auth::bearer_token(r.headers.get("Authorization").value_or(""));
    if (internal_secret_.empty() || !equal_constant_time(token, internal_secret_)) {
        co_return net::problem(r, 401, "bad_internal_secret", "");
    }
    const auto id = r.param("id");
    if (!is_uuid(id)) {
        co_return net::problem(r, 404, "video_not_found", "there is no such video");
    }
    auto found = co_await repository_.find(video_id{std::string(id)});
    if (!found) {
        co_return problem_of(r, found.error());
    }
    if (!*found || is_deleted(**found)) {
        co_return net::problem(r, 404, "video_not_found", "there is no such video");
    }
    co_return net::response::json(200, render_internal_playback(**found));
}

}  // namespace vora::metadata
