#pragma once
// An event store and a video directory that answer what the test says.

#include "libs/base/async.hpp"
#include "services/dashboard/core/analytics.hpp"

#include <functional>
#include <set>
#include <string>
#include <utility>

namespace vora::dashboard {

class fake_event_store final : public event_store {
 public:
    task<result<analytics_report>> figures(video_selection videos, time_window window) override {
        ++questions;
        asked = std::move(videos);
        asked_window = window;
        if (during) {
            co_await during();
        }
        co_return answer;
    }

    int questions = 0;
    video_selection asked;
    time_window asked_window;
    result<analytics_report> answer;
    std::function<task<>()> during;
};

class fake_video_directory final : public video_directory {
 public:
    task<result<void>> check(std::string video_id, std::string token) override {
        seen_token = std::move(token);
        if (failure.code != errc::internal) {
            co_return fail(failure);
        }
        if (!own.contains(video_id)) {
            co_return fail(errc::not_found, "video_not_found");
        }
        co_return result<void>{};
    }
    task<result<listing>> videos_of(std::string token) override {
        seen_token = std::move(token);
        if (failure.code != errc::internal) {
            co_return fail(failure);
        }
        co_return listing{{own.begin(), own.end()}, partial};
    }

    std::set<std::string> own;
    bool partial = false;
    std::string seen_token;
    error failure;  // any but internal is answered
};

}  // namespace vora::dashboard
