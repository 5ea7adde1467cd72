#pragma once
// Who may see which figures. The figures come from the event store, the right to see them from
// whoever owns the videos.

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"
#include "libs/base/task.hpp"
#include "services/dashboard/core/analytics_report.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace vora::dashboard {

// The videos that events are asked of; no list = all there are.
struct video_selection {
    std::optional<std::vector<std::string>> ids;
};

class event_store {
 public:
    event_store() = default;
    event_store(const event_store&) = delete;
    virtual ~event_store() = default;
    // Answers within its deadline. unavailable ("analytics_unavailable"): away, too slow or not
    // ready; ask again later.
    virtual task<result<analytics_report>> figures(video_selection videos, time_window window) = 0;
};

// What the API says of videos to the owner of a token.
class video_directory {
 public:
    struct listing {
        std::vector<std::string> ids;
        bool partial = false;  // there are more than were asked for
    };

    video_directory() = default;
    video_directory(const video_directory&) = delete;
    virtual ~video_directory() = default;
    // not_found: no such video, or not for this caller. unavailable: ask again later. Within its
    // deadline.
    virtual task<result<void>> check(std::string video_id, std::string token) = 0;
    // The caller's videos, newest first; errors as above.
    virtual task<result<listing>> videos_of(std::string token) = 0;
};

// Who asks: an admin sees everything, also what metadata does not know (any more).
struct analytics_caller {
    bool sees_all = false;
    std::string token;
};

class analytics {
 public:
    struct answer {
        analytics_report report;
        bool partial = false;
    };

    // References must outlive it. `questions_max` run at once, further ones are refused.
    analytics(event_store& events, video_directory& videos, std::size_t questions_max);

    // not_found, unavailable ("analytics_unavailable", "metadata_unavailable", "analytics_busy").
    task<result<answer>> of_video(std::string video_id, analytics_caller who, time_window window);
    task<result<answer>> of_all(analytics_caller who, time_window window);

 private:
    class place;
    task<result<answer>> ask(video_selection videos, bool partial, time_window window);

    event_store& events_;
    video_directory& videos_;
    std::size_t questions_max_;
    std::size_t questions_ = 0;
};

}  // namespace vora::dashboard
