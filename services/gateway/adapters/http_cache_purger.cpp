#include "services/gateway/adapters/http_cache_purger.hpp"

#include <algorithm>

namespace vora::gateway {

namespace {

constexpr std::size_t keys_per_request = 50;  // 2 KB of header
constexpr milliseconds pause_least{50};
constexpr milliseconds pause_most{1000};
const std::string everything = "vora";

}  // namespace

std::vector<std::string> split_purge_urls(std::string_view text) {
    std::vector<std::string> urls;
    while (!text.empty()) {
        const auto comma = text.find(',');
        std::string one(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
        std::erase(one, ' ');
        while (one.ends_with('/')) {
            one.pop_back();
        }
        if (!one.empty()) {
            urls.push_back(std::move(one));
        }
    }
    return urls;
}

struct http_cache_purger::front_cache {
    front_cache(executor ex, std::string u) : url(std::move(u)), wanted(ex) {}

    // The keys of one request; empty when there is nothing to send now.
    std::vector<std::string> take() {
        std::vector<std::string> keys;
        if (pending.contains(everything)) {
            keys.push_back(everything);
            pending.clear();
        }
        while (!pending.empty() && keys.size() < keys_per_request) {
            keys.push_back(std::move(pending.extract(pending.begin()).value()));
        }
        return keys;
    }
    void move_due(moment now) {
        while (!again.empty() && again.front().first <= now) {
            pending.insert(std::move(again.front().second));
            again.pop_front();
        }
    }
    milliseconds until_due(moment now) const {
        constexpr milliseconds idle{60'000};
        if (again.empty()) {
            return idle;
        }
        return std::clamp(std::chrono::ceil<milliseconds>(again.front().first - now), 1ms, idle);
    }

    std::string url;
    std::set<std::string> pending;
    std::deque<std::pair<moment, std::string>> again;  // in the order of their time
    wake_signal wanted;
    bool told_away = false;
};

http_cache_purger::http_cache_purger(executor ex, options o, obs::logger log, obs::metrics& metrics)
    : client_(ex),
      options_(std::move(o)),
      log_(std::move(log)),
      done_(metrics.counter("vora_gateway_purges_total", "requests to caches in front to forget",
                            {{"outcome", "done"}})),
      failed_(metrics.counter("vora_gateway_purges_total", "requests to caches in front to forget",
                              {{"outcome", "failed"}})),
      pending_(metrics.gauge("vora_gateway_purges_pending",
                             "queue: what a cache in front is still to be told")),
      group_(ex) {
    for (const auto& url : options_.urls) {
        caches_.emplace_back(ex, url);
    }
}

http_cache_purger::~http_cache_purger() = default;

void http_cache_purger::start() {
    for (auto& c : caches_) {
        group_.spawn(run(c));
    }
}

task<> http_cache_purger::stop() {
    co_await group_.stop();
    client_.close();
}

void http_cache_purger::purge(const std::vector<std::string>& videos) {
    std::vector<std::string> keys;
    keys.reserve(videos.size());
    for (const auto& id : videos) {
        keys.push_back("v:" + id);
    }
    add(keys);
}

void http_cache_purger::purge_all() {
    add({everything});
}

void http_cache_purger::add(const std::vector<std::string>& keys) {
    const auto due = std::chrono::steady_clock::now() + options_.again_after;
    for (auto& c : caches_) {
        c.pending.insert(keys.begin(), keys.end());
        for (const auto& key : keys) {
            c.again.emplace_back(due, key);
        }
        if (c.pending.size() + c.again.size() > 2 * options_.pending_max) {
            c.pending = {everything};
            c.again.assign(1, {due, everything});
        }
        c.wanted.notify();
    }
    show_pending();
}

void http_cache_purger::show_pending() {
    std::size_t most = 0;
    for (const auto& c : caches_) {
        most = std::max(most, c.pending.size() + c.again.size());
    }
    pending_.set(static_cast<double>(most));
}

task<> http_cache_purger::run(front_cache& c) {
    auto pause = pause_least;
    for (;;) {
        c.move_due(std::chrono::steady_clock::now());
        const auto keys = c.take();
        if (keys.empty()) {
            co_await c.wanted.wait(c.until_due(std::chrono::steady_clock::now()));
            continue;
        }
        std::string text;
        for (const auto& key : keys) {
            text += (text.empty() ? "" : " ") + key;
        }
        auto sent = co_await send(c, std::move(text));
        note(c, sent);
        if (sent) {
            pause = pause_least;
            continue;
        }
        c.pending.insert(keys.begin(), keys.end());
        show_pending();
        co_await sleep_for(pause);
        pause = std::min(pause * 2, pause_most);
    }
}

task<result<void>> http_cache_purger::send(const front_cache& c, std::string keys) {
    net::client_request request;
    request.method = options_.method;
    request.url = c.url + "/";
    request.headers.set("Vora-Purge", keys);
    request.headers.set("Vora-Purge-Secret", options_.secret);
    request.deadline = options_.deadline;
    request.body_bytes_max = 4 << 10;
    auto answer = co_await with_deadline(client_.send(std::move(request)), options_.deadline);
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status != 200) {
        co_return fail(errc::unavailable, "purge_refused",
                       "the cache answered " + std::to_string(answer->status));
    }
    co_return result<void>{};
}

// One line when a cache is no longer reached and one when it is again.
void http_cache_purger::note(front_cache& c, const result<void>& sent) {
    show_pending();
    if (sent) {
        done_.add();
        if (std::exchange(c.told_away, false)) {
            log_.info("cache_purged_again", {{"url", c.url}});
        }
        return;
    }
    failed_.add();
    if (!std::exchange(c.told_away, true)) {
        log_.warn(
            "cache_not_purged",
            {{"url", c.url}, {"reason", sent.error().reason}, {"detail", sent.error().detail}});
    }
}

}  // namespace vora::gateway
