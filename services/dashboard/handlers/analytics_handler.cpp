#include "services/dashboard/handlers/analytics_handler.hpp"

#include "libs/net/browser.hpp"
#include "libs/net/problem.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>

namespace vora::dashboard {

namespace {

using nlohmann::json;

constexpr double ms_per_s = 1000;

template <class T>
json or_null(const std::optional<T>& value) {
    return value ? json(*value) : json(nullptr);
}

json render(const quantiles& q) {
    return {{"p50", or_null(q.p50)}, {"p95", or_null(q.p95)}};
}

json render(const analytics::answer& a, const time_window& window) {
    const auto& r = a.report;
    auto series = json::array();
    auto quality = json::array();
    for (std::size_t i = 0; i < r.parts.size(); ++i) {
        const auto& part = r.parts.at(i);
        const auto t = to_rfc3339(window.start_of(i));
        series.push_back(
            {{"t", t}, {"plays", part.plays}, {"watch_time_s", part.watch_ms / ms_per_s}});
        quality.push_back({{"t", t},
                           {"startup_ms", render(part.startup_ms)},
                           {"rebuffer_ratio", rebuffer_ratio(part.stalled_ms, part.watch_ms)}});
    }
    return {{"from", to_rfc3339(window.from)},
            {"to", to_rfc3339(window.to)},
            {"plays", r.plays},
            {"viewers", r.viewers},
            {"watch_time_s", r.watch_ms() / ms_per_s},
            {"startup_ms", render(r.startup_ms)},
            {"rebuffer_count", r.rebuffer_count},
            {"rebuffer_ratio", rebuffer_ratio(r.stalled_ms(), r.watch_ms())},
            {"average_bitrate", or_null(r.average_bitrate)},
            {"errors", r.errors},
            {"partial", a.partial},
            {"series", std::move(series)},
            {"quality", std::move(quality)}};
}

net::response answer_of(const net::request& r, const result<analytics::answer>& a,
                        const time_window& window) {
    if (!a) {
        auto refused = net::problem(r, a.error());
        if (a.error().code == errc::unavailable) {
            refused.headers.set("Retry-After", "1");
        }
        return refused;
    }
    auto answer = net::response::json(200, render(*a, window).dump());
    answer.headers.set("Cache-Control", "no-store");
    return answer;
}

// A "+01:00" that was not escaped arrives as " 01:00".
std::optional<std::string> time_value(const net::request& r, std::string_view name) {
    constexpr std::size_t offset_size = 6;
    const auto value = r.query_value(name);
    if (!value) {
        return std::nullopt;
    }
    std::string text(*value);
    if (text.size() > offset_size && text[text.size() - offset_size] == ' ') {
        text[text.size() - offset_size] = '+';
    }
    return text;
}

}  // namespace

analytics_handler::analytics_handler(analytics& figures, caller who, const clock_source& clock)
    : figures_(figures), who_(std::move(who)), clock_(clock) {}

net::router analytics_handler::routes() {
    net::router routes;
    const net::route_options no_body{.body_bytes_max = 0};
    routes.add("GET", "/v1/analytics", [this](net::request& r) { return all_videos(r); }, no_body);
    routes.add(
        "GET", "/v1/analytics/videos/{id}", [this](net::request& r) { return one_video(r); },
        no_body);
    return routes;
}

std::expected<analytics_handler::question, net::response> analytics_handler::question_of(
    const net::request& r) const {
    auto who = who_(r);
    if (!who) {
        return std::unexpected(std::move(who.error()));
    }
    const auto window = make_window(time_value(r, "from"), time_value(r, "to"), clock_.now());
    if (!window) {
        return std::unexpected(net::problem(r, window.error()));
    }
    const auto header = r.headers.get("Authorization");
    const auto token =
        header ? auth::bearer_token(*header) : net::cookie_value(r.headers, auth::session_cookie);
    return question{{who->allows(auth::scope::admin), std::string(token)}, *window};
}

task<net::response> analytics_handler::one_video(net::request& r) {
    auto asked = question_of(r);
    if (!asked) {
        co_return std::move(asked.error());
    }
    auto found = co_await figures_.of_video(std::string(r.param("id")), std::move(asked->who),
                                            asked->window);
    co_return answer_of(r, found, asked->window);
}

task<net::response> analytics_handler::all_videos(net::request& r) {
    auto asked = question_of(r);
    if (!asked) {
        co_return std::move(asked.error());
    }
    auto found = co_await figures_.of_all(std::move(asked->who), asked->window);
    co_return answer_of(r, found, asked->window);
}

}  // namespace vora::dashboard
