#include "services/gateway/adapters/http_playback_source.hpp"

#include "libs/base/async.hpp"
#include "services/gateway/core/media_path.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vora::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t answer_bytes_max = 64 << 10;
constexpr std::size_t renditions_max = 32;

// "{id}/", or "{id}/gN/" for a later generation.
bool is_prefix_of(std::string_view prefix, std::string_view video_id) {
    if (!prefix.starts_with(video_id) || !prefix.ends_with('/')) {
        return false;
    }
    prefix.remove_prefix(video_id.size());
    if (prefix == "/") {
        return true;
    }
    if (!prefix.starts_with("/g") || prefix.size() < 4 || prefix.size() > 12) {
        return false;
    }
    return std::ranges::all_of(prefix.substr(2, prefix.size() - 3),
                               [](char c) { return c >= '0' && c <= '9'; });
}

bool is_codecs(std::string_view text) {
    return text.size() <= 100 && std::ranges::all_of(text, [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == ',' || c == '-';
           });
}

bool is_sane(const rendition& r) {
    return is_rendition_name(r.name) && r.bandwidth > 0 && r.average_bandwidth >= 0 &&
           r.width > 0 && r.height > 0 && r.frame_rate >= 0 && r.frame_rate < 1000 &&
           r.segments >= 0 && is_codecs(r.codecs);
}

rendition rendition_of(const json& j) {
    rendition r;
    r.name = j.at("name").get<std::string>();
    r.width = j.at("width").get<int>();
    r.height = j.at("height").get<int>();
    r.bandwidth = j.at("bandwidth").get<std::int64_t>();
    r.average_bandwidth = j.value("average_bandwidth", std::int64_t{0});
    r.codecs = j.value("codecs", std::string());
    r.frame_rate = j.value("frame_rate", 0.0);
    r.segments = j.value("segments", std::int64_t{0});
    return r;
}

playback_info info_of(const json& j) {
    playback_info info;
    info.video_id = j.at("video_id").get<std::string>();
    info.playable = j.at("playable").get<bool>();
    info.is_public = j.at("public").get<bool>();
    info.prefix = j.at("prefix").get<std::string>();
    if (!info.prefix.ends_with('/')) {
        info.prefix += '/';
    }
    for (const auto& r : j.at("renditions")) {
        info.renditions.push_back(rendition_of(r));
    }
    return info;
}

std::unexpected<error> bad_answer(std::string detail) {
    return fail(errc::internal, "bad_playback_answer", std::move(detail));
}

}  // namespace

result<playback_info> parse_playback_answer(const std::string& body, const std::string& video_id) {
    const auto document = json::parse(body, nullptr, false);
    if (!document.is_object()) {
        return bad_answer("not a JSON object");
    }
    playback_info info;
    try {
        info = info_of(document);
    } catch (const json::exception& e) {
        return bad_answer(e.what());
    }
    if (!info.playable) {
        info.renditions.clear();  // what is not playable has facts only in part
        return info;
    }
    if (info.video_id != video_id || !is_prefix_of(info.prefix, video_id)) {
        return bad_answer("another video or a foreign prefix");
    }
    if (info.renditions.empty() || info.renditions.size() > renditions_max ||
        !std::ranges::all_of(info.renditions, is_sane)) {
        return bad_answer("renditions are missing or of another form");
    }
    return info;
}

http_playback_source::http_playback_source(executor ex, options o, obs::logger log,
                                           obs::metrics& metrics)
    : client_(ex),
      options_(std::move(o)),
      log_(std::move(log)),
      found_(metrics.counter("vora_gateway_lookups_total", "questions to metadata",
                             {{"outcome", "found"}})),
      unknown_(metrics.counter("vora_gateway_lookups_total", "questions to metadata",
                               {{"outcome", "unknown"}})),
      failed_(metrics.counter("vora_gateway_lookups_total", "questions to metadata",
                              {{"outcome", "failed"}})) {}

task<result<playback_info>> http_playback_source::find(std::string video_id) {
    auto answer = co_await ask(std::move(video_id));
    note(answer);
    co_return answer;
}

task<result<playback_info>> http_playback_source::ask(std::string video_id) {
    net::client_request request;
    request.url = options_.url + "/internal/playback/" + video_id;
    request.headers.set("Authorization", "Bearer " + options_.secret);
    request.deadline = options_.deadline;
    request.body_bytes_max = answer_bytes_max;
    auto sent = co_await with_deadline(client_.send(std::move(request)), options_.deadline);
    if (!sent) {
        co_return fail(sent.error());
    }
    if (sent->status == 404) {
        co_return fail(errc::not_found, "not_found");
    }
    if (sent->status != 200) {
        co_return fail(errc::unavailable, "metadata_refused",
                       "metadata answered " + std::to_string(sent->status));
    }
    co_return parse_playback_answer(sent->body, video_id);
}

// One line when metadata goes away and one when it is back, not one a request.
void http_playback_source::note(const result<playback_info>& answer) {
    if (answer) {
        found_.add();
    } else if (answer.error().code == errc::not_found) {
        unknown_.add();
    } else {
        failed_.add();
        if (!away_) {
            log_.warn("metadata_away",
                      {{"reason", answer.error().reason}, {"detail", answer.error().detail}});
        }
        away_ = true;
        return;
    }
    if (away_) {
        log_.info("metadata_back");
    }
    away_ = false;
}

}  // namespace vora::gateway
