#include "services/metadata/core/completion.hpp"

#include "libs/base/fault_point.hpp"
#include "services/metadata/core/text_rules.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

std::unexpected<error> no_such_upload() {
    return fail(errc::not_found, "upload_not_found", "the video has no such upload");
}

bool ended_unfinished(upload_status s) {
    return s == upload_status::expired || s == upload_status::terminated;
}

video_failure failure_of(upload_status s) {
    if (s == upload_status::terminated) {
        return {"upload_terminated", "the upload was terminated before its end"};
    }
    return {"upload_expired", "no upload was finished in time"};
}

struct effect {
    bool started = false;
    bool surplus = false;
};

result<effect> record_finished(video_transaction& t, video& v, const upload_view& u,
                               const std::optional<upload_record>& before,
                               const answer_keeper& keeper, timestamp now) {
    if (v.source == u.id || (before && before->status == upload_status::removed)) {
        return effect{};
    }
    upload_record entry{u.id, v.id, upload_status::finished, now};
    if (is_deleted(v) || v.state != video_state::created) {
        entry.status = upload_status::surplus;
        if (auto r = t.put_upload(entry); !r) {
            return fail(std::move(r.error()));
        }
        return effect{.surplus = true};
    }
    if (auto r = begin_processing(v, u.id, now); !r) {
        return fail(std::move(r.error()));
    }
    if (auto r = t.update(v); !r) {
        return fail(std::move(r.error()));
    }
    if (auto r = t.put_upload(entry); !r) {
        return fail(std::move(r.error()));
    }
    outbox_message m;
    m.video = v.id;
    m.generation = v.generation;
    m.source_key = u.object_key;
    m.source_bytes = u.size_bytes;
    m.created_at = now;
    if (auto r = t.add_outbox(m); !r) {
        return fail(std::move(r.error()));
    }
    if (auto r = keeper.keep(t, v); !r) {
        return fail(std::move(r.error()));
    }
    return effect{.started = true};
}

result<effect> record_in(video_transaction& t, const video_id& id, const upload_view& u,
                         const answer_keeper& keeper, timestamp now) {
    auto found = t.find(id);
    if (!found) {
        return fail(std::move(found.error()));
    }
    auto before = t.find_upload(u.id);
    if (!before) {
        return fail(std::move(before.error()));
    }
    if (!*found || (*before && (*before)->video != id)) {
        return no_such_upload();
    }
    if (u.status == upload_status::finished) {
        return record_finished(t, **found, u, *before, keeper, now);
    }
    // An older word never replaces a later one.
    if (*before && ((*before)->status != upload_status::open || u.status == upload_status::open)) {
        return effect{};
    }
    if (auto r = t.put_upload({u.id, id, u.status, now}); !r) {
        return fail(std::move(r.error()));
    }
    return effect{};
}

}  // namespace

uploads_verdict judge_uploads(const video& v, std::span<const upload_view> uploads,
                              std::optional<upload_status> last, timestamp now) {
    for (const auto& u : uploads) {
        if (u.status == upload_status::finished) {
            return {uploads_verdict::kind::complete, u, {}};
        }
    }
    if (std::ranges::any_of(uploads, [](auto& u) { return u.status == upload_status::open; })) {
        return {};
    }
    if (last || !uploads.empty()) {
        const auto status = last ? *last : uploads.back().status;
        return {uploads_verdict::kind::give_up, {}, failure_of(status)};
    }
    if (now >= v.upload_expires_at) {
        return {uploads_verdict::kind::give_up, {}, failure_of(upload_status::expired)};
    }
    return {};
}

completion::completion(video_repository& repository, upload_service& uploads,
                       const clock_source& clock, std::function<void()> outbox_written,
                       std::function<void()> surplus_found)
    : repository_(repository),
      uploads_(uploads),
      clock_(clock),
      outbox_written_(std::move(outbox_written)),
      surplus_found_(std::move(surplus_found)) {}

task<result<video>> completion::notice(caller who, video_id id, upload_id upload,
                                       answer_keeper keeper) {
    auto found = co_await repository_.find(id);
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found || !may_see(who, **found)) {
        co_return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    if (!is_plausible_upload_id(upload.value)) {
        co_return no_such_upload();
    }
    if ((*found)->source == upload) {
        co_return std::move(**found);
    }
    auto u = co_await uploads_.find(upload);
    if (!u && u.error().code != errc::not_found) {
        co_return fail(std::move(u.error()));
    }
    if (!u) {
        // The upload service forgets what ended long ago; we do not.
        auto known = co_await repository_.find_upload(upload);
        if (!known) {
            co_return fail(std::move(known.error()));
        }
        if (!*known || (*known)->video != id) {
            co_return no_such_upload();
        }
        co_return std::move(**found);
    }
    if (u->reference != reference_of(id)) {
        co_return no_such_upload();
    }
    auto recorded = co_await record(id, *u, keeper);
    if (recorded && ended_unfinished(u->status)) {
        recorded = co_await settle_after(id, *u);
    }
    if (!recorded) {
        co_return fail(std::move(recorded.error()));
    }
    auto now = co_await repository_.find(id);
    if (!now) {
        co_return fail(std::move(now.error()));
    }
    if (!*now || !may_see(who, **now)) {
        co_return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    co_return std::move(**now);
}

task<result<void>> completion::hook(upload_event event) {
    const auto id = video_of_reference(event.reference);
    if (!id || !is_plausible_upload_id(event.id.value)) {
        co_return result<void>{};
    }
    auto found = co_await repository_.find(*id);
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found) {
        co_return result<void>{};
    }
    auto u = co_await uploads_.find(event.id);
    if (!u && u.error().code != errc::not_found) {
        co_return fail(std::move(u.error()));
    }
    if (!u) {
        if (event.status == upload_status::finished) {
            co_return result<void>{};  // finished and removed since: nothing to process
        }
        u = upload_view{event.id, event.status, 0, event.reference, {}};
    }
    if (u->reference != event.reference) {
        co_return result<void>{};
    }
    if (u->status == upload_status::open) {
        co_return fail(errc::unavailable, "upload_not_settled",
                       "the upload service still shows the upload as open");
    }
    auto recorded = co_await record(*id, *u);
    if (recorded && ended_unfinished(u->status)) {
        recorded = co_await settle_after(*id, *u);
    }
    if (!recorded && recorded.error().code == errc::not_found) {
        co_return result<void>{};
    }
    co_return recorded;
}

task<result<void>> completion::settle(video v) {
    auto done = co_await settle_after(v.id, std::nullopt);
    co_return done;
}

task<result<void>> completion::record(video_id id, upload_view u, answer_keeper keeper) {
    auto done = co_await transact<effect>(
        repository_,
        [&, now = clock_.now()](video_transaction& t) { return record_in(t, id, u, keeper, now); });
    if (!done) {
        co_return fail(std::move(done.error()));
    }
    if (done->started) {
        fault_point("metadata.after_processing");
        outbox_written_();
    }
    if (done->surplus) {
        surplus_found_();
    }
    co_return result<void>{};
}

task<result<void>> completion::settle_after(video_id id, std::optional<upload_view> ended) {
    auto found = co_await repository_.find(id);
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found || is_deleted(**found) || (*found)->state != video_state::created) {
        co_return result<void>{};
    }
    auto all = co_await uploads_.with_reference(reference_of(id));
    if (!all) {
        co_return fail(std::move(all.error()));
    }
    std::erase_if(*all, [&](const upload_view& u) {
        return u.reference != reference_of(id) || (ended && u.id == ended->id);
    });
    const auto last = ended ? std::optional(ended->status) : std::nullopt;
    const auto verdict = judge_uploads(**found, *all, last, clock_.now());
    if (verdict.what == uploads_verdict::kind::complete) {
        auto recorded = co_await record(id, verdict.winner);
        co_return recorded;
    }
    if (verdict.what == uploads_verdict::kind::give_up) {
        auto given_up = co_await give_up(id, verdict.why);
        co_return given_up;
    }
    co_return result<void>{};
}

task<result<void>> completion::give_up(video_id id, video_failure why) {
    auto done = co_await repository_.in_transaction(
        [&, now = clock_.now()](video_transaction& t) -> result<void> {
            auto v = t.find(id);
            if (!v) {
                return fail(std::move(v.error()));
            }
            if (!*v || is_deleted(**v) || (*v)->state != video_state::created) {
                return {};  // somebody was faster
            }
            if (auto r = fail_before_processing(**v, why, now); !r) {
                return r;
            }
            return t.update(**v);
        });
    co_return done;
}

}  // namespace vora::metadata
