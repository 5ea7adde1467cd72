#include "services/gateway/core/playback_cache.hpp"

#include <algorithm>
#include <optional>

namespace vora::gateway {

// One question to the source and everyone who waits for its answer. Kept alive by them, so an
// answer that arrives after all have left meets nobody.
struct playback_cache::question {
    std::uint64_t number = 0;
    timestamp asked_at;
    std::optional<result<std::shared_ptr<const playback_info>>> answer;
    bool outdated = false;  // the video has changed since it was asked
    std::list<wake_signal*> waiting;

    task<> wait(executor ex) {
        wake_signal signal(ex);
        const auto place = waiting.insert(waiting.end(), &signal);
        struct leave {
            std::list<wake_signal*>& list;
            std::list<wake_signal*>::iterator at;
            ~leave() { list.erase(at); }
        } const guard{waiting, place};
        while (!answer) {
            // The source answers within its own deadline; this only bounds one turn of the loop.
            co_await signal.wait(60s);
        }
    }
};

playback_cache::playback_cache(executor ex, playback_source& source, const clock_source& clock,
                               cache_options options)
    : source_(source), clock_(clock), options_(options), group_(ex), ex_(ex) {}

playback_cache::~playback_cache() = default;

task<> playback_cache::stop() {
    co_await group_.stop();
}

task<result<std::shared_ptr<playback_cache::question>>> playback_cache::answered(
    const std::string& video_id) {
    auto q = ask(video_id);
    if (q == nullptr) {
        co_return fail(errc::resource_exhausted, "too_many_lookups", "too many lookups at once");
    }
    co_await q->wait(ex_);
    co_return q;
}

task<result<known_playback>> playback_cache::find(std::string video_id, bool current) {
    const std::uint64_t asked_before = asked_;
    const bool trust_stale = clock_.now() < trust_stale_until_;
    const auto fresh_for = live_ ? options_.live_for : options_.fresh_for;
    if (!current || trust_stale) {
        auto* e = known(video_id, trust_stale ? options_.stale_for : fresh_for);
        if (e != nullptr && (trust_stale || !e->doubted)) {
            const auto now = clock_.now();
            const bool stale = e->doubted || now - e->asked_at > fresh_for;
            known_playback k{e->info, false, stale};
            if (stale && now - e->retried_at > options_.fresh_for) {
                e->retried_at = now;
                ask(video_id);  // nobody waits for this one: it shows whether the source is back
            }
            co_return k;
        }
    }
    auto q = co_await answered(video_id);
    if (q && current && (*q)->number <= asked_before) {
        // That question was already under way when this call began: its answer may be older.
        q = co_await answered(video_id);
    }
    if (!q) {
        co_return fail(q.error());
    }
    const auto& answer = *(*q)->answer;
    const bool last_word = (*q)->number > asked_before;
    if (answer) {
        co_return known_playback{*answer, last_word, false};
    }
    if (answer.error().code == errc::not_found) {
        co_return known_playback{nullptr, last_word, false};
    }
    co_return fall_back(video_id, answer.error());
}

result<known_playback> playback_cache::fall_back(const std::string& video_id,
                                                 const error& failure) {
    if (const auto* e = known(video_id, options_.stale_for)) {
        return known_playback{e->info, false, true};
    }
    return fail(failure);
}

std::shared_ptr<playback_cache::question> playback_cache::ask(const std::string& video_id) {
    const auto found = questions_.find(video_id);
    if (found != questions_.end()) {
        return found->second;
    }
    if (questions_.size() >= options_.asks_max) {
        return nullptr;
    }
    auto q = std::make_shared<question>();
    q->number = ++asked_;
    q->asked_at = clock_.now();
    questions_.emplace(video_id, q);
    group_.spawn(run_question(video_id, q));
    return q;
}

task<> playback_cache::run_question(std::string video_id, std::shared_ptr<question> q) {
    // Whoever waits is told, also when this coroutine is cancelled.
    struct finish {
        playback_cache& cache;
        const std::string& video_id;
        question& q;
        ~finish() {
            if (!q.answer) {
                q.answer = fail(errc::unavailable, "stopping", "the service is stopping");
            }
            const auto asked = cache.questions_.find(video_id);
            if (asked != cache.questions_.end() && asked->second.get() == &q) {
                cache.questions_.erase(asked);
            }
            for (auto* waiting : q.waiting) {
                waiting->notify();
            }
        }
    } const guard{*this, video_id, *q};
    auto answer = co_await source_.find(video_id);
    if (answer) {
        q->answer = std::make_shared<const playback_info>(std::move(*answer));
    } else {
        q->answer = fail(std::move(answer.error()));
    }
    learn(video_id, *q);
}

void playback_cache::forget(const std::string& video_id) {
    const auto found = entries_.find(video_id);
    if (found != entries_.end()) {
        by_use_.erase(found->second.place);
        entries_.erase(found);
    }
}

void playback_cache::learn(const std::string& video_id, const question& q) {
    const auto& answer = *q.answer;
    if (!answer && answer.error().code != errc::not_found) {
        trust_stale_until_ = clock_.now() + options_.trust_stale_for;
        return;
    }
    trust_stale_until_ = {};
    if (q.outdated) {
        return;
    }
    forget(video_id);
    if (!answer) {
        return;  // unknown ids are not remembered: guessed ones would drive out what is played
    }
    by_use_.push_front(video_id);
    entries_[video_id] = {*answer, q.asked_at, {}, false, by_use_.begin()};
    if (entries_.size() > options_.entries_max) {
        forget(std::string(by_use_.back()));
    }
}

// Its answer goes to those who wait for it already; whoever comes now asks anew.
void playback_cache::forget_question(const std::string& video_id) {
    const auto asked = questions_.find(video_id);
    if (asked != questions_.end()) {
        asked->second->outdated = true;
        questions_.erase(asked);
    }
}

void playback_cache::changed(const std::string& video_id) {
    forget(video_id);
    forget_question(video_id);
}

void playback_cache::all_changed() {
    for (auto& [id, e] : entries_) {
        e.doubted = true;
    }
    for (auto& [id, q] : questions_) {
        q->outdated = true;
    }
    questions_.clear();
}

bool playback_cache::holds(const std::string& video_id,
                           const std::shared_ptr<const playback_info>& info) const {
    const auto found = entries_.find(video_id);
    return found != entries_.end() && !found->second.doubted && found->second.info == info;
}

playback_cache::entry* playback_cache::known(const std::string& video_id, milliseconds age_max) {
    const auto found = entries_.find(video_id);
    if (found == entries_.end()) {
        return nullptr;
    }
    const auto age = clock_.now() - found->second.asked_at;
    // A clock that was set back makes no answer younger.
    if (age < 0ms || age > age_max) {
        return nullptr;
    }
    by_use_.splice(by_use_.begin(), by_use_, found->second.place);
    return &found->second;
}

}  // namespace vora::gateway
