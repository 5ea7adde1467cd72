#include "services/metadata/core/settler.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

constexpr std::size_t missing_max = 10'000;
constexpr milliseconds pause_first{5'000};
constexpr milliseconds pause_max{600'000};

// Before this attempt at a deletion, since the one before was begun.
milliseconds pause_before(std::int64_t attempt) {
    const auto doublings = std::clamp<std::int64_t>(attempt - 2, 0, 10);
    return std::min(pause_first * (std::int64_t{1} << doublings), pause_max);
}

bool is_away(const error& e) {
    return e.code == errc::unavailable || e.code == errc::deadline_exceeded;
}

}  // namespace

video_failure failure_of_run(const std::optional<run_view>& run) {
    if (run && run->status == run_status::cancelled) {
        return {"cancelled", "processing was cancelled"};
    }
    if (run && run->status == run_status::failed && is_failure_code(run->failure_code)) {
        return {run->failure_code, "processing failed"};
    }
    return {"internal_error", run ? "processing ended without a result" : "processing was lost"};
}

settler::settler(video_repository& repository, workflow_engine& engine, completion& uploads,
                 const clock_source& clock, std::function<void()> outbox_written)
    : repository_(repository),
      engine_(engine),
      uploads_(uploads),
      clock_(clock),
      outbox_written_(std::move(outbox_written)) {}

bool settler::is_lost(std::set<video_id>& missing, const video_id& id,
                      const result<run_view>& run) {
    if (run) {
        missing.erase(id);
        return false;
    }
    if (missing.erase(id) == 0) {
        if (missing.size() < missing_max) {
            missing.insert(id);
        }
        return false;
    }
    return true;
}

task<result<bool>> settler::settle_run(video v) {
    auto described = co_await engine_.describe_ingest(v.id, v.generation);
    if (!described && described.error().code != errc::not_found) {
        co_return fail(std::move(described.error()));
    }
    const bool lost = is_lost(missing_, v.id, described);
    if (described ? described->status == run_status::running : !lost) {
        co_return false;
    }
    const auto run = described ? std::optional(std::move(*described)) : std::nullopt;
    // The row may have moved on since it was read: the rule is asked again, in the transaction.
    auto ended = co_await transact<bool>(
        repository_, [&, now = clock_.now()](video_transaction& t) -> result<bool> {
            auto current = t.find(v.id);
            if (!current) {
                return fail(std::move(current.error()));
            }
            if (!*current || (*current)->state != video_state::processing) {
                return false;
            }
            auto moved = finish_failed(**current, v.generation, failure_of_run(run), now);
            if (!moved || *moved == transition::repeated) {
                return false;
            }
            if (auto r = t.update(**current); !r) {
                return fail(std::move(r.error()));
            }
            return true;
        });
    co_return ended;
}

task<result<sweep_report>> settler::settle_processing() {
    sweep_report report;
    for (std::size_t i = 0; i < sweep_pages_max; ++i) {
        auto page =
            co_await repository_.in_state(video_state::processing, processing_from_, sweep_page);
        if (!page) {
            co_return fail(std::move(page.error()));
        }
        for (const auto& entry : *page) {
            ++report.seen;
            processing_from_ = entry.video.id;
            if (entry.start_pending) {
                continue;
            }
            auto ended = co_await settle_run(entry.video);
            if (!ended && is_away(ended.error())) {
                ++report.unavailable;
                co_return report;  // nor would the others be answered now
            }
            if (!ended) {
                co_return fail(std::move(ended.error()));
            }
            report.changed += *ended ? 1 : 0;
        }
        if (page->size() < sweep_page) {
            processing_from_ = {};
            if (page->empty() && i == 0) {
                missing_.clear();  // nothing is processed at all
            }
            break;
        }
    }
    co_return report;
}

task<result<sweep_report>> settler::settle_created() {
    sweep_report report;
    for (std::size_t i = 0; i < sweep_pages_max; ++i) {
        auto page = co_await repository_.in_state(video_state::created, created_from_, sweep_page);
        if (!page) {
            co_return fail(std::move(page.error()));
        }
        for (const auto& entry : *page) {
            ++report.seen;
            created_from_ = entry.video.id;
            auto settled = co_await uploads_.settle(entry.video);
            if (!settled && is_away(settled.error())) {
                ++report.unavailable;
                co_return report;
            }
            if (!settled) {
                co_return fail(std::move(settled.error()));
            }
        }
        if (page->size() < sweep_page) {
            created_from_ = {};
            break;
        }
    }
    co_return report;
}

task<result<bool>> settler::settle_deletion(video v) {
    auto run = co_await engine_.describe_delete(v.id, v.delete_attempt);
    if (!run && run.error().code != errc::not_found) {
        co_return fail(std::move(run.error()));
    }
    const bool lost = is_lost(missing_deletion_, v.id, run);
    if (run ? run->status == run_status::running : !lost) {
        co_return false;
    }
    if (clock_.now() - v.updated_at < pause_before(v.delete_attempt + 1)) {
        co_return false;
    }
    auto again = co_await transact<bool>(
        repository_, [&, now = clock_.now()](video_transaction& t) -> result<bool> {
            auto current = t.find(v.id);
            if (!current) {
                return fail(std::move(current.error()));
            }
            if (!*current) {
                return false;
            }
            auto moved = retry_delete(**current, v.delete_attempt, now);
            if (!moved || *moved == transition::repeated) {
                return false;
            }
            if (auto r = t.update(**current); !r) {
                return fail(std::move(r.error()));
            }
            outbox_message m;
            m.kind = outbox_kind::start_delete;
            m.video = v.id;
            m.generation = (*current)->generation;
            m.created_at = now;
            if (auto r = t.renew_outbox(m); !r) {
                return fail(std::move(r.error()));
            }
            return true;
        });
    if (again && *again) {
        outbox_written_();
    }
    co_return again;
}

task<result<sweep_report>> settler::settle_deleting() {
    sweep_report report;
    for (std::size_t i = 0; i < sweep_pages_max; ++i) {
        auto page = co_await repository_.in_deletion(deleting_from_, sweep_page);
        if (!page) {
            co_return fail(std::move(page.error()));
        }
        for (const auto& entry : *page) {
            ++report.seen;
            deleting_from_ = entry.video.id;
            if (entry.start_pending) {
                continue;
            }
            auto again = co_await settle_deletion(entry.video);
            if (!again && is_away(again.error())) {
                ++report.unavailable;
                co_return report;
            }
            if (!again) {
                co_return fail(std::move(again.error()));
            }
            report.changed += *again ? 1 : 0;
        }
        if (page->size() < sweep_page) {
            deleting_from_ = {};
            if (page->empty() && i == 0) {
                missing_deletion_.clear();
            }
            break;
        }
    }
    co_return report;
}

raw_collector::raw_collector(video_repository& repository, upload_service& uploads,
                             const clock_source& clock, std::chrono::seconds retention)
    : repository_(repository), uploads_(uploads), clock_(clock), retention_(retention) {}

task<result<sweep_report>> raw_collector::collect() {
    sweep_report report;
    for (std::size_t i = 0; i < sweep_pages_max; ++i) {
        auto page = co_await repository_.removable_uploads(clock_.now() - retention_, sweep_page);
        if (!page) {
            co_return fail(std::move(page.error()));
        }
        for (auto& u : *page) {
            ++report.seen;
            auto removed = co_await uploads_.remove(u.id);
            if (!removed) {
                ++report.unavailable;
                if (is_away(removed.error())) {
                    co_return report;
                }
                continue;  // one that cannot be removed does not keep the others
            }
            u.status = upload_status::removed;
            u.updated_at = clock_.now();
            auto noted = co_await repository_.in_transaction(
                [&u](video_transaction& t) { return t.put_upload(u); });
            if (!noted) {
                co_return fail(std::move(noted.error()));
            }
            ++report.changed;
        }
        if (page->size() < sweep_page || report.unavailable > 0) {
            break;
        }
    }
    co_return report;
}

}  // namespace vora::metadata
