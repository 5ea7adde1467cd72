#include "services/gateway/adapters/http_change_listener.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vora::gateway {

namespace {

using nlohmann::json;

constexpr std::size_t answer_bytes_max = 128 << 10;
constexpr std::size_t epoch_bytes_max = 64;
constexpr milliseconds pause_least{50};
constexpr milliseconds pause_most{1000};

std::unexpected<error> bad_answer(std::string detail) {
    return fail(errc::internal, "bad_changes_answer", std::move(detail));
}

}  // namespace

result<told_changes> parse_changes_answer(const std::string& body) {
    const auto document = json::parse(body, nullptr, false);
    if (!document.is_object()) {
        return bad_answer("not a JSON object");
    }
    told_changes told;
    try {
        told.epoch = document.at("epoch").get<std::string>();
        told.last = document.at("last").get<std::uint64_t>();
        told.missed = document.at("missed").get<bool>();
        told.videos = document.at("videos").get<std::vector<std::string>>();
    } catch (const json::exception& e) {
        return bad_answer(e.what());
    }
    if (told.epoch.empty() || told.epoch.size() > epoch_bytes_max ||
        !std::ranges::all_of(told.videos, [](const auto& id) { return is_uuid(id); })) {
        return bad_answer("an epoch or an id is none");
    }
    return told;
}

http_change_listener::http_change_listener(executor ex, options o, playback_cache& cache,
                                           obs::logger log, obs::metrics& metrics)
    : client_(ex),
      options_(std::move(o)),
      cache_(cache),
      log_(std::move(log)),
      changes_(metrics.counter("vora_gateway_changes_total", "changes of videos heard of")),
      missed_(metrics.counter("vora_gateway_missed_changes_total",
                              "times all that was known had to be asked for again")),
      live_(metrics.gauge("vora_gateway_changes_live", "1 while changes are heard as they happen")),
      group_(ex) {}

void http_change_listener::start() {
    group_.spawn(run());
}

task<> http_change_listener::stop() {
    co_await group_.stop();
    client_.close();
}

task<> http_change_listener::run() {
    auto pause = pause_least;
    for (;;) {
        auto told = co_await ask();
        note(told.has_value(), told ? nullptr : &told.error());
        if (told) {
            hear(std::move(*told));
            pause = pause_least;
            continue;
        }
        co_await sleep_for(pause);
        pause = std::min(pause * 2, pause_most);
    }
}

task<result<told_changes>> http_change_listener::ask() {
    net::client_request request;
    // The first question, and the first after trouble, is answered at once.
    const auto wait = hears_ ? options_.wait : seconds(0);
    request.url = options_.url + "/internal/playback/changes?epoch=" + percent_encode(epoch_) +
                  "&after=" + std::to_string(last_) + "&wait_s=" + std::to_string(wait.count());
    request.headers.set("Authorization", "Bearer " + options_.secret);
    request.deadline = wait + options_.margin;
    request.body_bytes_max = answer_bytes_max;
    auto sent = co_await with_deadline(client_.send(std::move(request)), wait + options_.margin);
    if (!sent) {
        co_return fail(sent.error());
    }
    if (sent->status != 200) {
        co_return fail(errc::unavailable, "metadata_refused",
                       "metadata answered " + std::to_string(sent->status));
    }
    co_return parse_changes_answer(sent->body);
}

// What has changed is forgotten before the rest counts as told.
void http_change_listener::hear(told_changes told) {
    const bool missed = told.missed || told.epoch != epoch_;
    if (missed) {
        missed_.add();
        cache_.all_changed();
    }
    for (const auto& id : told.videos) {
        cache_.changed(id);
    }
    if (options_.on_change && (missed || !told.videos.empty())) {
        options_.on_change(told.videos, missed);
    }
    changes_.add(static_cast<double>(told.videos.size()));
    epoch_ = std::move(told.epoch);
    last_ = told.last;
    cache_.set_live(true);
}

// One line when changes are no longer heard and one when they are again.
void http_change_listener::note(bool hears, const error* why) {
    hears_ = hears;
    live_.set(hears ? 1 : 0);
    if (hears) {
        if (told_away_) {
            log_.info("changes_heard_again");
        }
        told_away_ = false;
        return;
    }
    cache_.set_live(false);
    if (!told_away_) {
        log_.warn("changes_not_heard", {{"reason", why->reason}, {"detail", why->detail}});
    }
    told_away_ = true;
}

}  // namespace vora::gateway
