#include "services/metadata/core/processing.hpp"

#include "libs/base/fault_point.hpp"
#include "services/metadata/core/text_rules.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

constexpr std::size_t detail_bytes_max = 500;

std::unexpected<error> no_such_video() {
    // Never retried: a row is not made by waiting.
    return fail(errc::failed_precondition, "video_not_found");
}

}  // namespace

processing::processing(video_repository& repository, upload_service& uploads,
                       workflow_engine& engine, const clock_source& clock)
    : repository_(repository), uploads_(uploads), engine_(engine), clock_(clock) {}

task<result<void>> processing::change(video_id id, rule apply) {
    auto done = co_await repository_.in_transaction([&](video_transaction& t) -> result<void> {
        auto v = t.find(id);
        if (!v) {
            return fail(std::move(v.error()));
        }
        if (!*v) {
            return no_such_video();
        }
        auto moved = apply(**v);
        if (!moved) {
            return fail(std::move(moved.error()));
        }
        return *moved == transition::repeated ? result<void>{} : t.update(**v);
    });
    co_return done;
}

task<result<void>> processing::mark_ready(video_id id, std::int64_t generation, media_facts facts) {
    fault_point("metadata.before_ready");
    for (auto& f : facts.input_report) {
        f.detail = to_display_text(f.detail, detail_bytes_max);
    }
    auto done = co_await change(std::move(id), [&, now = clock_.now()](video& v) {
        return finish_ready(v, generation, facts, now);
    });
    co_return done;
}

task<result<void>> processing::mark_failed(video_id id, std::int64_t generation,
                                           video_failure why) {
    if (!is_failure_code(why.code)) {
        why.code = "internal_error";
    }
    why.detail = to_display_text(why.detail, detail_bytes_max);
    auto done = co_await change(std::move(id), [&, now = clock_.now()](video& v) {
        return finish_failed(v, generation, why, now);
    });
    co_return done;
}

task<result<void>> processing::require_deleting(video_id id, std::int64_t generation) {
    auto found = co_await repository_.find(std::move(id));
    if (!found) {
        co_return fail(std::move(found.error()));
    }
    if (!*found) {
        co_return no_such_video();
    }
    co_return check_deleting(**found, generation);
}

task<result<bool>> processing::stop_ingest(video_id id, std::int64_t generation) {
    auto ok = co_await require_deleting(id, generation);
    if (!ok) {
        co_return fail(std::move(ok.error()));
    }
    auto asked = co_await engine_.cancel_ingest(id, generation);
    if (!asked) {
        co_return fail(std::move(asked.error()));
    }
    auto run = co_await engine_.describe_ingest(id, generation);
    if (!run) {
        if (run.error().code == errc::not_found) {
            co_return true;
        }
        co_return fail(std::move(run.error()));
    }
    co_return run->status != run_status::running;
}

task<result<void>> processing::delete_uploads(video_id id, std::int64_t generation) {
    auto ok = co_await require_deleting(id, generation);
    if (!ok) {
        co_return ok;
    }
    auto known = co_await repository_.uploads_of(id);
    if (!known) {
        co_return fail(std::move(known.error()));
    }
    auto listed = co_await uploads_.with_reference(reference_of(id));
    if (!listed) {
        co_return fail(std::move(listed.error()));
    }
    std::vector<upload_id> all;
    for (auto& u : *listed) {
        if (u.reference == reference_of(id)) {
            all.push_back(std::move(u.id));
        }
    }
    for (auto& u : *known) {
        const bool seen = std::ranges::find(all, u.id) != all.end();
        if (!seen && u.status != upload_status::removed) {
            all.push_back(std::move(u.id));
        }
    }
    for (const auto& upload : all) {
        auto removed = co_await uploads_.remove(upload);
        if (!removed) {
            co_return removed;
        }
    }
    auto noted = co_await repository_.in_transaction(
        [&, now = clock_.now()](video_transaction& t) -> result<void> {
            for (const auto& upload : all) {
                if (auto r = t.put_upload({upload, id, upload_status::removed, now}); !r) {
                    return r;
                }
            }
            return {};
        });
    co_return noted;
}

task<result<void>> processing::finish_delete(video_id id, std::int64_t generation) {
    auto done = co_await change(std::move(id), [&, now = clock_.now()](video& v) {
        return metadata::finish_delete(v, generation, now);
    });
    co_return done;
}

}  // namespace vora::metadata
