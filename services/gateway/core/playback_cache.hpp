#pragma once
// Playback facts, asked for once however many viewers wait, and kept while their source is away.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "services/gateway/core/playback_info.hpp"

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace vora::gateway {

struct cache_options {
    milliseconds fresh_for{1000};        // an answer younger than this is used without asking
    milliseconds live_for{300'000};      // the same while changes are told (set_live)
    milliseconds stale_for{86'400'000};  // while the source is away, at most this old
    milliseconds trust_stale_for{5000};  // after a failure: known answers at once, asked for behind
    std::size_t entries_max = 10'000;
    std::size_t asks_max = 256;  // questions under way at once
};

struct known_playback {
    std::shared_ptr<const playback_info> info;  // null: there is no such video
    bool current = false;  // the source was asked after this call began: its word is the last
    bool stale = false;    // the source is away, this is what it said before
};

class playback_cache {
 public:
    playback_cache(executor ex, playback_source& source, const clock_source& clock,
                   cache_options options);
    ~playback_cache();
    playback_cache(const playback_cache&) = delete;

    // A fresh answer if there is one, else the source's. With `current` the source is asked in any
    // case, but for the time after a failure. Errors: those of the source when nothing is known,
    // resource_exhausted ("too_many_lookups").
    task<result<known_playback>> find(std::string video_id, bool current);

    // Whether each change is told by the two below as it happens.
    void set_live(bool live) { live_ = live; }
    // This video has changed: what is known of it, and what is being asked, counts no more.
    void changed(const std::string& video_id);
    // Any video may have changed: what is known is asked for again before it is used, and stands
    // only while the source is away.
    void all_changed();
    // Whether this is still what is known of the video: nobody has told of a change since.
    bool holds(const std::string& video_id, const std::shared_ptr<const playback_info>& info) const;
    task<> stop();

 private:
    struct question;
    struct entry {
        std::shared_ptr<const playback_info> info;
        timestamp asked_at;
        timestamp retried_at;  // while the source is away: when it was last asked for this one
        bool doubted = false;  // a change may have been missed
        std::list<std::string>::iterator place;
    };

    std::shared_ptr<question> ask(const std::string& video_id);
    task<> run_question(std::string video_id, std::shared_ptr<question> q);
    void learn(const std::string& video_id, const question& q);
    void forget(const std::string& video_id);
    task<result<std::shared_ptr<question>>> answered(const std::string& video_id);
    entry* known(const std::string& video_id, milliseconds age_max);
    void forget_question(const std::string& video_id);
    result<known_playback> fall_back(const std::string& video_id, const error& failure);

    playback_source& source_;
    const clock_source& clock_;
    cache_options options_;
    task_group group_;
    executor ex_;
    std::map<std::string, entry> entries_;
    std::list<std::string> by_use_;  // most recently used first
    std::map<std::string, std::shared_ptr<question>> questions_;
    std::uint64_t asked_ = 0;  // number of the last question
    timestamp trust_stale_until_;
    bool live_ = false;
};

}  // namespace vora::gateway
