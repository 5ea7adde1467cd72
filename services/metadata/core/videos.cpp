#include "services/metadata/core/videos.hpp"

#include "libs/base/crypto.hpp"
#include "services/metadata/core/page_token.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

std::unexpected<error> no_such_video() {
    return fail(errc::not_found, "video_not_found", "there is no such video");
}

// The row for a change by this caller, or not_found.
result<video> load(video_transaction& t, const caller& who, const video_id& id) {
    auto found = t.find(id);
    if (!found) {
        return fail(std::move(found.error()));
    }
    if (!*found || !may_see(who, **found)) {
        return no_such_video();
    }
    return std::move(**found);
}

result<void> check_version(const video& v,
                           const std::optional<std::vector<std::int64_t>>& versions) {
    if (versions && std::ranges::find(*versions, v.version) == versions->end()) {
        return fail(errc::aborted, "version_mismatch",
                    "the video has version " + std::to_string(v.version));
    }
    return {};
}

// The run of a video that has just been cancelled. A start that nobody has claimed need not happen;
// one that somebody has claimed goes before this message, so there is something to cancel.
result<void> stop_run(video_transaction& t, const video& v, timestamp now) {
    if (auto taken = t.withdraw_outbox(v.id, outbox_kind::start_ingest); !taken) {
        return taken;
    }
    outbox_message m;
    m.kind = outbox_kind::cancel_ingest;
    m.video = v.id;
    m.generation = v.generation;
    m.created_at = now;
    return t.add_outbox(m);
}

}  // namespace

bool may_see(const caller& who, const video& v) {
    return !is_deleted(v) && (who.admin || v.owner == who.subject);
}

videos::videos(video_repository& repository, const clock_source& clock,
               std::chrono::seconds grant_ttl, std::function<void()> outbox_written)
    : repository_(repository),
      clock_(clock),
      grant_ttl_(grant_ttl),
      outbox_written_(std::move(outbox_written)) {}

task<result<video>> videos::create(new_video input, answer_keeper keeper) {
    const auto v =
        create_video(std::move(input), video_id{random_uuid()}, clock_.now(), grant_ttl_);
    auto done = co_await repository_.in_transaction([&](video_transaction& t) -> result<void> {
        if (auto r = t.insert(v); !r) {
            return r;
        }
        return keeper.keep(t, v);
    });
    if (!done) {
        co_return fail(std::move(done.error()));
    }
    co_return v;
}

task<result<video>> videos::get(caller who, video_id id) {
    auto found = co_await repository_.find(std::move(id));
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found || !may_see(who, **found)) {
        co_return no_such_video();
    }
    co_return std::move(**found);
}

task<result<video_page>> videos::list(caller who, video_filter filter) {
    list_query q;
    q.state = filter.state;
    if (!who.admin) {
        q.owner = who.subject;
    }
    if (!filter.page_token.empty()) {
        auto after = decode_page_token(q, filter.page_token);
        if (!after) {
            co_return fail(std::move(after.error()));
        }
        q.after = std::move(*after);
    }
    q.count_max = filter.page_size + 1;  // one more says whether there is another page
    auto rows = co_await repository_.list(q);
    if (!rows) {
        co_return fail(std::move(rows.error()));
    }
    video_page page;
    page.videos = std::move(*rows);
    if (page.videos.size() > filter.page_size) {
        page.videos.resize(filter.page_size);
        const auto& last = page.videos.back();
        page.next_page_token = encode_page_token(q, {last.created_at, last.id});
    }
    co_return page;
}

task<result<video>> videos::update(caller who, video_id id, video_patch patch,
                                   std::optional<std::vector<std::int64_t>> versions) {
    auto changed = co_await transact<video>(
        repository_, [&, now = clock_.now()](video_transaction& t) -> result<video> {
            auto v = load(t, who, id);
            if (!v) {
                return v;
            }
            if (auto ok = check_version(*v, versions); !ok) {
                return fail(std::move(ok.error()));
            }
            if (apply_patch(*v, patch, now)) {
                if (auto stored = t.update(*v); !stored) {
                    return fail(std::move(stored.error()));
                }
            }
            return v;
        });
    co_return changed;
}

task<result<video>> videos::cancel(caller who, video_id id, answer_keeper keeper) {
    auto changed = co_await transact<video>(
        repository_, [&, now = clock_.now()](video_transaction& t) -> result<video> {
            auto v = load(t, who, id);
            if (!v) {
                return v;
            }
            const bool has_run = v->state == video_state::processing;
            if (auto r = cancel_video(*v, now); !r) {
                return fail(std::move(r.error()));
            }
            if (auto r = t.update(*v); !r) {
                return fail(std::move(r.error()));
            }
            if (has_run) {
                if (auto r = stop_run(t, *v, now); !r) {
                    return fail(std::move(r.error()));
                }
            }
            if (auto r = keeper.keep(t, *v); !r) {
                return fail(std::move(r.error()));
            }
            return v;
        });
    if (changed) {
        outbox_written_();
    }
    co_return changed;
}

task<result<void>> videos::remove(caller who, video_id id,
                                  std::optional<std::vector<std::int64_t>> versions) {
    auto done = co_await repository_.in_transaction(
        [&, now = clock_.now()](video_transaction& t) -> result<void> {
            auto v = load(t, who, id);
            if (!v) {
                return fail(std::move(v.error()));
            }
            if (auto ok = check_version(*v, versions); !ok) {
                return ok;
            }
            begin_delete(*v, now);
            if (auto stored = t.update(*v); !stored) {
                return stored;
            }
            // What was never claimed need not start, only to be cancelled at once.
            if (auto taken = t.withdraw_outbox(id, outbox_kind::start_ingest); !taken) {
                return taken;
            }
            outbox_message m;
            m.kind = outbox_kind::start_delete;
            m.video = id;
            m.generation = v->generation;
            m.created_at = now;
            return t.add_outbox(m);
        });
    if (done) {
        outbox_written_();
    }
    co_return done;
}

}  // namespace vora::metadata
