#include "services/dashboard/adapters/http_video_directory.hpp"

#include "libs/base/async.hpp"
#include "libs/base/encoding.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace vora::dashboard {

namespace {

constexpr std::size_t id_length = 36;

bool is_id(std::string_view text) {
    return text.size() == id_length && std::ranges::all_of(text, [](unsigned char c) {
               return std::isxdigit(c) != 0 || c == '-';
           });
}

error away(std::string detail) {
    return {errc::unavailable, "metadata_unavailable", std::move(detail)};
}

}  // namespace

result<video_directory::listing> parse_listing(const std::string& body) {
    const auto bad = [](std::string detail) {
        return fail(errc::internal, "bad_listing", std::move(detail));
    };
    const auto parsed = nlohmann::json::parse(body, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("videos") || !parsed["videos"].is_array()) {
        return bad("no list of videos");
    }
    video_directory::listing found;
    for (const auto& video : parsed["videos"]) {
        if (!video.is_object() || !video.contains("id") || !video["id"].is_string()) {
            return bad("a video without an id");
        }
        found.ids.push_back(video["id"].get<std::string>());
        if (!is_id(found.ids.back())) {
            return bad("an id that is none");
        }
    }
    found.partial = parsed.contains("next_page_token") && parsed["next_page_token"].is_string();
    return found;
}

http_video_directory::http_video_directory(net::client& http, std::string api_url,
                                           std::chrono::milliseconds deadline)
    : http_(http), api_url_(std::move(api_url)), deadline_(deadline) {}

task<result<net::client_response>> http_video_directory::get(std::string path, std::string token) {
    net::client_request r;
    r.url = api_url_ + path;
    r.headers.set("Authorization", "Bearer " + token);
    r.deadline = deadline_;
    auto answer = co_await with_deadline(http_.send(std::move(r)), deadline_);
    if (!answer) {
        co_return fail(away(answer.error().reason));
    }
    switch (answer->status) {
        case 200:
            co_return std::move(*answer);
        case 401:
            co_return fail(errc::unauthenticated, "token_refused", "the token is not accepted");
        case 403:
            co_return fail(errc::permission_denied, "insufficient_scope",
                           "the token does not allow this");
        case 404:
            co_return fail(errc::not_found, "video_not_found", "there is no such video");
        default:
            co_return fail(away("answered " + std::to_string(answer->status)));
    }
}

task<result<void>> http_video_directory::check(std::string video_id, std::string token) {
    // What is no id names no video, and must not name another path either.
    if (!is_id(video_id)) {
        co_return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    auto answer = co_await get("/v1/videos/" + video_id, std::move(token));
    if (!answer) {
        co_return fail(answer.error());
    }
    co_return result<void>{};
}

task<result<video_directory::listing>> http_video_directory::videos_of(std::string token) {
    auto answer = co_await get("/v1/videos?page_size=200", std::move(token));
    if (!answer) {
        co_return fail(answer.error());
    }
    co_return parse_listing(answer->body);
}

}  // namespace vora::dashboard
