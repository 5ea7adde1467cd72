#include "services/metadata/core/change_feed.hpp"

#include "libs/base/crypto.hpp"

#include <algorithm>
#include <set>

namespace vora::metadata {

namespace {
constexpr std::size_t answer_max = 1000;  // changes in one answer; the rest is asked for next
}

change_feed::change_feed(executor ex, std::size_t kept_max, std::size_t readers_max)
    : ex_(std::move(ex)), kept_max_(kept_max), readers_max_(readers_max), epoch_(random_hex(8)) {}

void change_feed::publish(const video_id& id) {
    kept_.push_back(id);
    ++last_;
    if (kept_.size() > kept_max_) {
        kept_.pop_front();
    }
    for (auto* reader : waiting_) {
        reader->notify();
    }
}

void change_feed::forget() {
    epoch_ = random_hex(8);
    last_ = 0;
    kept_.clear();
    for (auto* reader : waiting_) {
        reader->notify();
    }
}

change_feed::changes change_feed::since(const std::string& epoch, std::uint64_t after) const {
    const auto forgotten = last_ - kept_.size();  // number of the newest one that is not kept
    if (epoch != epoch_ || after > last_ || after < forgotten) {
        return {epoch_, last_, true, {}};
    }
    const auto first = static_cast<std::size_t>(after - forgotten);
    const auto end = std::min(kept_.size(), first + answer_max);
    changes found{epoch_, forgotten + end, false, {}};
    std::set<std::string_view> named;
    for (std::size_t i = first; i < end; ++i) {
        if (named.insert(kept_[i].value).second) {
            found.ids.push_back(kept_[i]);
        }
    }
    return found;
}

task<change_feed::changes> change_feed::wait(std::string epoch, std::uint64_t after,
                                             milliseconds limit) {
    auto found = since(epoch, after);
    if (found.missed || !found.ids.empty() || closed_ || waiting_.size() >= readers_max_) {
        co_return found;
    }
    wake_signal signal(ex_);
    const auto place = waiting_.insert(waiting_.end(), &signal);
    struct leave {
        std::list<wake_signal*>& list;
        std::list<wake_signal*>::iterator at;
        ~leave() { list.erase(at); }
    } const guard{waiting_, place};
    // True or not: what there is now is the answer.
    co_await signal.wait(limit);
    co_return since(epoch, after);
}

void change_feed::close() {
    closed_ = true;
    for (auto* reader : waiting_) {
        reader->notify();
    }
}

}  // namespace vora::metadata
