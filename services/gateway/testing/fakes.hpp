#pragma once
// Test doubles with levers, shared by the gateway's tests.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "services/gateway/core/playback_info.hpp"

#include <boost/asio/this_coro.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vora::gateway::testing {

class fake_clock final : public clock_source {
 public:
    timestamp now() const override { return now_; }
    void advance(milliseconds by) { now_ += by; }

 private:
    timestamp now_{seconds(1'800'000'000)};
};

inline rendition make_rendition(const std::string& name, int width, int height,
                                std::int64_t bandwidth) {
    return {name, width, height, bandwidth, bandwidth * 8 / 10, "avc1.640028,mp4a.40.2", 30, 3};
}

// Answers when its levers say so.
class fake_source final : public playback_source {
 public:
    explicit fake_source(executor ex) : released_(ex) {}

    task<result<playback_info>> find(std::string video_id) override {
        ++asked;
        // What is true when the question arrives, however late the answer is.
        auto answer = current(video_id);
        while (held) {
            co_await released_.wait(60s);
        }
        co_return answer;
    }
    void release() {
        held = false;
        released_.notify();
    }

    std::map<std::string, playback_info> videos;
    bool away = false;
    bool held = false;
    int asked = 0;

 private:
    result<playback_info> current(const std::string& video_id) const {
        if (away) {
            return fail(errc::unavailable, "connect_failed");
        }
        const auto found = videos.find(video_id);
        if (found == videos.end()) {
            return fail(errc::not_found, "not_found");
        }
        return found->second;
    }
    wake_signal released_;
};

// A store over a real one, or over nothing, that can fail, stall and break off.
class fake_store final : public blob::reader {
 public:
    fake_store(executor ex, blob::reader& inner) : inner_(inner), ex_(ex) {}

    task<result<blob::object_info>> head(std::string key) override {
        ++calls;
        auto trouble = co_await obey();
        if (!trouble) {
            co_return fail(trouble.error());
        }
        auto r = co_await inner_.head(key);
        co_return r;
    }
    task<result<std::unique_ptr<blob::object_stream>>> open(
        std::string key, std::optional<blob::byte_range> range) override {
        ++calls;
        ++opens;
        auto trouble = co_await obey();
        if (!trouble) {
            co_return fail(trouble.error());
        }
        if (opens_left && (*opens_left)-- <= 0) {
            co_return fail(errc::unavailable, "connect_failed");
        }
        auto r = co_await inner_.open(key, range);
        if (r) {
            const bool other = other_object_from > 0 && opens >= other_object_from;
            r = std::make_unique<breaking_stream>(*this, std::move(*r), other);
        }
        co_return r;
    }
    task<result<std::vector<blob::object_info>>> list(std::string prefix, std::string after,
                                                      std::size_t keys_max) override {
        auto r = co_await inner_.list(prefix, after, keys_max);
        co_return r;
    }
    task<result<void>> fetch_to_file(std::string key, std::string path) override {
        auto r = co_await inner_.fetch_to_file(key, path);
        co_return r;
    }
    // Lets calls that hang go on.
    void release() {
        hangs = false;
        body_hangs = false;
        for (auto* signal : waiting_) {
            signal->notify();
        }
    }

    std::optional<error> failure;
    bool stalls = false;                            // until cancelled
    bool hangs = false;                             // also when cancelled
    bool fails_when_back = true;                    // what hung
    bool body_hangs = false;                        // the same, when a body is read on
    std::optional<std::uint64_t> breaks_off_after;  // bytes of one opening's body
    std::optional<int> opens_left;                  // then opening fails
    int other_object_from = 0;                      // this opening and later ones; 0 = none
    int calls = 0;
    int opens = 0;

 private:
    class breaking_stream final : public blob::object_stream {
     public:
        breaking_stream(fake_store& owner, std::unique_ptr<blob::object_stream> inner, bool other)
            : owner_(owner), inner_(std::move(inner)), info_(inner_->info()) {
            if (other) {
                info_.etag = "\"another\"";
            }
        }
        const blob::object_info& info() const override { return info_; }
        task<result<std::size_t>> read(std::span<char> into) override {
            if (owner_.body_hangs && read_ > 0) {
                co_await owner_.hang(owner_.body_hangs);
            }
            const auto limit = owner_.breaks_off_after;
            if (limit && read_ >= *limit) {
                co_return fail(errc::unavailable, "connection_lost");
            }
            if (limit) {
                into = into.first(std::min<std::uint64_t>(into.size(), *limit - read_));
            }
            auto n = co_await inner_->read(into);
            read_ += n.value_or(0);
            co_return n;
        }

     private:
        fake_store& owner_;
        std::unique_ptr<blob::object_stream> inner_;
        blob::object_info info_;
        std::uint64_t read_ = 0;
    };

    // Until the lever is let go, whoever cancels it.
    task<> hang(const bool& lever) {
        co_await boost::asio::this_coro::reset_cancellation_state(
            boost::asio::disable_cancellation());
        while (lever) {
            wake_signal signal(ex_);
            waiting_.push_back(&signal);
            co_await signal.wait(60s);
            std::erase(waiting_, &signal);
        }
    }

    task<result<void>> obey() {
        if (stalls) {
            co_await sleep_for(1h);
        }
        if (hangs) {
            co_await hang(hangs);
            if (fails_when_back) {
                co_return fail(errc::unavailable, "came_back");
            }
        }
        if (failure) {
            co_return fail(*failure);
        }
        co_return result<void>{};
    }

    blob::reader& inner_;
    executor ex_;
    std::vector<wake_signal*> waiting_;
};

}  // namespace vora::gateway::testing
