#include "services/analytics/core/drain.hpp"

#include <algorithm>
#include <utility>

namespace vora::analytics {

drain::drain(executor ex, event_backlog& backlog, event_store& store, drain_options o,
             drain_watch w)
    : backlog_(backlog),
      store_(store),
      options_(o),
      watch_(std::move(w)),
      hurry_(ex),
      progress_(ex),
      rows_max_(o.rows_max),
      delay_(o.retry_first) {}

task<> drain::run() {
    for (;;) {
        auto batch = co_await backlog_.next(rows_max_);
        if (!batch) {
            co_await back_off(batch.error(), std::nullopt);
        } else if (*batch) {
            co_await deliver(std::move(**batch));
        } else {
            progress_.notify();
            co_await backlog_.wait(1h);
        }
        if (backlog_.events() > 0) {
            co_await wait_for_batch();
        }
    }
}

// A full batch goes at once, a smaller one waits for company; not while a poison row is looked for.
task<> drain::wait_for_batch() {
    const bool is_halved = rows_max_ < options_.rows_max;
    if (!hurrying_ && !is_halved && !backlog_.is_due() && backlog_.events() < options_.rows_max &&
        backlog_.bytes() < options_.bytes_max) {
        co_await hurry_.wait(options_.flush_after);
    }
}

task<> drain::deliver(event_batch batch) {
    bool table_seen = false;  // since the last refusal
    for (;;) {
        const auto began = std::chrono::steady_clock::now();
        auto r = co_await attempt(batch);
        if (r) {
            co_await backlog_.acknowledge(batch);
            watch_.stored(batch, std::chrono::duration_cast<milliseconds>(
                                     std::chrono::steady_clock::now() - began));
            settled();
            co_return;
        }
        // Also after a lost connection: what answers next may be an engine that lost the table.
        const bool rows_refused =
            std::exchange(prepared_, false) && r.error().code == errc::invalid_argument;
        if (!rows_refused) {
            co_await back_off(r.error(), batch.oldest);
        } else if (!std::exchange(table_seen, true)) {
            continue;
        } else {
            co_await refused(batch, r.error());
            co_return;
        }
    }
}

task<result<void>> drain::attempt(const event_batch& batch) {
    if (batch.rows == 0) {
        co_return result<void>{};
    }
    if (!prepared_) {
        auto ready = co_await store_.prepare();
        if (!ready) {
            co_return ready;
        }
        prepared_ = true;
    }
    auto r = co_await store_.insert(batch.bytes, batch.token);
    co_return r;
}

task<> drain::refused(const event_batch& batch, error why) {
    if (batch.rows == 1) {
        co_await backlog_.quarantine(batch);
        watch_.quarantined(batch, why);
        settled();
        co_return;
    }
    rows_max_ = std::max<std::uint64_t>(1, std::min(rows_max_, batch.rows) / 2);
    backlog_.forget_borders(batch);
}

void drain::settled() {
    failure_.reset();
    delay_ = options_.retry_first;
    rows_max_ = std::min(rows_max_ * 2, options_.rows_max);
    progress_.notify();
}

task<> drain::back_off(error why, std::optional<timestamp> oldest) {
    watch_.failed(why, oldest);
    failure_ = std::move(why);
    progress_.notify();
    // Half of it is dice: several machines do not come back at the same moment.
    const auto half = delay_.count() / 2;
    const auto wait =
        milliseconds(half + std::uniform_int_distribution<std::int64_t>(0, half)(dice_));
    delay_ = std::min(delay_ * 2, options_.retry_max);
    co_await sleep_for(wait);
}

task<> drain::hurry(milliseconds limit) {
    hurrying_ = true;
    hurry_.notify();
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (backlog_.events() > 0 && !failure_) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) {
            co_return;
        }
        co_await progress_.wait(left);
    }
}

}  // namespace vora::analytics
