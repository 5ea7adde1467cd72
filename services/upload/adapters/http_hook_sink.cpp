#include "services/upload/adapters/http_hook_sink.hpp"

#include "libs/auth/webhook.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace vora::upload {

namespace {

constexpr std::chrono::milliseconds deadline{15'000};
constexpr std::size_t answer_bytes_max = 64 << 10;

std::string to_body(const upload_event& event) {
    const nlohmann::ordered_json body = {
        {"type", to_string(event.type)},  {"upload_id", event.id.value},
        {"reference", event.reference},   {"size_bytes", event.size_bytes},
        {"object_key", event.object_key}, {"occurred_at", to_rfc3339(event.occurred)}};
    return body.dump();
}

}  // namespace

http_hook_sink::http_hook_sink(executor ex, std::string url, std::string secret,
                               const clock_source& clock)
    : client_(std::move(ex), 2), url_(std::move(url)), secret_(std::move(secret)), clock_(clock) {}

task<result<void>> http_hook_sink::deliver(upload_event event) {
    const auto now = clock_.now();
    net::client_request r;
    r.method = "POST";
    r.url = url_;
    r.body = to_body(event);
    r.deadline = deadline;
    r.body_bytes_max = answer_bytes_max;
    r.headers.set("Content-Type", "application/json");
    r.headers.set("webhook-id", event.event_id);
    r.headers.set("webhook-timestamp", std::to_string(to_unix_ms(now) / 1000));
    r.headers.set("webhook-signature", auth::sign_webhook(secret_, event.event_id, now, r.body));
    auto answer = co_await client_.send(std::move(r));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status < 200 || answer->status > 299) {
        co_return fail(errc::unavailable, "hook_refused", std::to_string(answer->status));
    }
    co_return result<void>{};
}

}  // namespace vora::upload
