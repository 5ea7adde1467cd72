#include "services/dashboard/core/analytics.hpp"

#include <utility>

namespace vora::dashboard {

namespace {

constexpr std::size_t id_bytes_max = 200;

error busy() {
    return {errc::unavailable, "analytics_busy", "too many questions at once"};
}

}  // namespace

// One of the questions that may run at once.
class analytics::place {
 public:
    explicit place(analytics& owner) : owner_(owner) { ++owner_.questions_; }
    ~place() { --owner_.questions_; }
    place(const place&) = delete;

 private:
    analytics& owner_;
};

analytics::analytics(event_store& events, video_directory& videos, std::size_t questions_max)
    : events_(events), videos_(videos), questions_max_(questions_max) {}

task<result<analytics::answer>> analytics::of_video(std::string video_id, analytics_caller who,
                                                    time_window window) {
    if (questions_ >= questions_max_) {
        co_return fail(busy());
    }
    const place held(*this);
    if (video_id.size() > id_bytes_max) {
        co_return fail(errc::not_found, "not_found");
    }
    if (!who.sees_all) {
        auto allowed = co_await videos_.check(video_id, std::move(who.token));
        if (!allowed) {
            co_return fail(allowed.error());
        }
    }
    video_selection one;
    one.ids.emplace(1, std::move(video_id));
    auto r = co_await ask(std::move(one), false, window);
    co_return r;
}

task<result<analytics::answer>> analytics::of_all(analytics_caller who, time_window window) {
    if (questions_ >= questions_max_) {
        co_return fail(busy());
    }
    const place held(*this);
    video_selection selected;
    bool partial = false;
    if (!who.sees_all) {
        auto own = co_await videos_.videos_of(std::move(who.token));
        if (!own) {
            co_return fail(own.error());
        }
        if (own->ids.empty()) {
            co_return answer{};
        }
        partial = own->partial;
        selected.ids = std::move(own->ids);
    }
    auto r = co_await ask(std::move(selected), partial, window);
    co_return r;
}

task<result<analytics::answer>> analytics::ask(video_selection videos, bool partial,
                                               time_window window) {
    auto figures = co_await events_.figures(std::move(videos), window);
    if (!figures) {
        co_return fail(figures.error());
    }
    co_return answer{std::move(*figures), partial};
}

}  // namespace vora::dashboard
