// The ends of an upload, and what is done without a request: recovery at start and the sweep.

#include "services/upload/core/upload_service.hpp"

#include <string_view>

namespace vora::upload {

void upload_service::note_failure(const upload_id& id, const result<void>& r) {
    if (!r) {
        observed_.background_failed(id, r.error());
    }
}

// Order: the marker, so that a crash cannot swallow the hook; the object; then the record, from
// which on the upload is seen as finished. Each step may be repeated.
task<result<void>> upload_service::finish(upload_snapshot& s) {
    if (s.info.state == upload_state::finished) {
        co_return result<void>{};
    }
    const auto id = s.info.id;
    unfinished_.insert(id);
    auto made = co_await make_object(s);
    if (!made) {
        co_return made;
    }
    auto info = s.info;
    info.state = upload_state::finished;
    info.ended = clock_.now();
    info.multipart_id.clear();
    auto written = co_await files_.update_info(info);
    if (!written) {
        co_return written;
    }
    unfinished_.erase(id);
    s.info = info;
    s.object_present = true;
    s.offset = info.length;
    index_.put(info);
    observed_.ended(info);
    if (limits_.hooks) {
        hooks_.add(id);
    }
    co_await files_.remove_tails(id, std::move(s.tails));
    s.tails.clear();
    co_return result<void>{};
}

task<result<void>> upload_service::make_object(upload_snapshot& s) {
    if (limits_.hooks) {
        auto marked = co_await files_.put_marker(s.info.id, {upload_state::finished, clock_.now()});
        if (!marked) {
            co_return marked;
        }
    }
    if (s.object_present) {
        co_return result<void>{};
    }
    stop_request nobody_asks;
    appender rest(resources(), s, nobody_asks);
    auto assembled = co_await rest.assemble_rest();
    if (!assembled) {
        co_return assembled;
    }
    auto completed = co_await files_.complete(s.info, s.run);
    co_return completed;
}

task<result<void>> upload_service::end(upload_info info, upload_state state) {
    if (limits_.hooks) {
        auto marked = co_await files_.put_marker(info.id, {state, clock_.now()});
        if (!marked) {
            co_return marked;
        }
    }
    info.state = state;
    info.ended = clock_.now();
    auto written = co_await files_.update_info(info);
    if (!written) {
        co_return written;
    }
    unfinished_.erase(info.id);
    index_.put(info);
    observed_.ended(info);
    if (limits_.hooks) {
        hooks_.add(info.id);
    }
    co_await drop_bytes(std::move(info));
    co_return result<void>{};
}

// Of an upload that has ended without an object. What fails here is done again at the next start:
// the record names the multipart until it is gone.
task<> upload_service::drop_bytes(upload_info info) {
    auto dropped = co_await files_.discard_bytes(info);
    if (dropped && !info.multipart_id.empty()) {
        info.multipart_id.clear();
        dropped = co_await files_.update_info(info);
    }
    note_failure(info.id, dropped);
}

task<result<void>> upload_service::remove(upload_id id) {
    auto held = co_await take_lock(id);
    if (!held) {
        co_return fail(held.error());
    }
    auto info = co_await files_.read_info(id);
    if (info) {
        auto dropped = co_await files_.discard_bytes(*info);
        if (!dropped) {
            co_return dropped;
        }
    } else if (info.error().code != errc::not_found && info.error().code != errc::data_loss) {
        co_return fail(info.error());
    }
    auto removed = co_await files_.remove_all(id);
    if (removed) {
        index_.erase(id);
        unfinished_.erase(id);
        hooks_.drop(id);
    }
    co_return removed;
}

task<result<void>> upload_service::recover() {
    found_keys current;
    std::string after;
    for (;;) {
        auto page = co_await files_.list(after);
        if (!page) {
            co_return fail(page.error());
        }
        for (const auto& [id, name] : page->names) {
            if (id != current.id) {
                auto done = co_await recover_one(current);
                if (!done) {
                    co_return done;
                }
                current = {.id = id};
            }
            current.info = current.info || name == ".info";
            current.marker = current.marker || name == ".hook";
            current.tail = current.tail || parse_tail_name(name).has_value();
        }
        after = page->last_key;
        if (after.empty()) {
            co_return co_await recover_one(current);
        }
    }
}

task<result<void>> upload_service::recover_one(found_keys found) {
    if (found.id.empty() || locks_.is_held(found.id)) {
        co_return result<void>{};
    }
    auto held = co_await take_lock(found.id);
    if (!held) {
        co_return fail(held.error());
    }
    if (!found.info) {
        co_return co_await files_.remove_all(found.id);  // a removal that was cut short
    }
    auto info = co_await files_.read_info(found.id);
    if (!info && (info.error().code == errc::data_loss || info.error().code == errc::not_found)) {
        observed_.background_failed(found.id, info.error());
        co_return result<void>{};
    }
    if (!info) {
        co_return fail(info.error());
    }
    index_.put(*info);
    if (info->state == upload_state::open) {
        co_return co_await recover_open(std::move(*info), found.marker);
    }
    if (found.marker && limits_.hooks) {
        hooks_.add(found.id);
    }
    if (found.tail || !info->multipart_id.empty()) {
        co_await drop_bytes(std::move(*info));
    }
    co_return result<void>{};
}

// A crash may have come between the last byte and the end, or between the marker and the record.
task<result<void>> upload_service::recover_open(upload_info info, bool has_marker) {
    if (has_marker) {
        auto marker = co_await files_.read_marker(info.id);
        if (marker && *marker && (*marker)->type != upload_state::finished) {
            co_return co_await end(std::move(info), (*marker)->type);
        }
    }
    auto s = co_await files_.load(info.id);
    if (!s) {
        // Its client will be told; it ends when its time is over.
        observed_.background_failed(info.id, s.error());
        co_return result<void>{};
    }
    if (s->offset == s->info.length) {
        auto done = co_await finish(*s);
        note_failure(info.id, done);
    }
    co_return result<void>{};
}

task<> upload_service::sweep() {
    const auto now = clock_.now();
    for (const auto& id : std::set(unfinished_)) {
        auto r = co_await retry_finish(id);
        note_failure(id, r);
    }
    for (const auto& id : index_.open_expired_at(now)) {
        auto r = co_await expire(id);
        note_failure(id, r);
    }
    for (const auto& id : index_.tombstones_before(now - limits_.tombstone)) {
        auto r = co_await remove_tombstone(id);
        note_failure(id, r);
    }
}

task<result<void>> upload_service::retry_finish(upload_id id) {
    if (locks_.is_held(id)) {
        co_return result<void>{};  // a request is at it
    }
    auto held = co_await take_lock(id);
    if (!held) {
        co_return fail(held.error());
    }
    auto s = co_await files_.load(id);
    if (!s) {
        const bool hopeless =
            s.error().code == errc::data_loss || s.error().code == errc::not_found;
        if (hopeless) {
            unfinished_.erase(id);
        }
        co_return fail(s.error());
    }
    if (s->info.state != upload_state::open || s->offset < s->info.length) {
        unfinished_.erase(id);
        co_return result<void>{};
    }
    co_return co_await finish(*s);
}

task<result<void>> upload_service::expire(upload_id id) {
    auto held = co_await take_lock(id);  // stops a writer that is still at it
    if (!held) {
        co_return fail(held.error());
    }
    auto info = co_await files_.read_info(id);
    if (!info && info.error().code == errc::not_found) {
        index_.erase(id);
        co_return result<void>{};
    }
    if (!info) {
        co_return fail(info.error());
    }
    if (info->state != upload_state::open || info->expires > clock_.now()) {
        index_.put(*info);
        co_return result<void>{};
    }
    auto s = co_await files_.load(id);
    if (!s && s.error().code != errc::data_loss) {
        co_return fail(s.error());
    }
    if (s && s->offset == s->info.length) {
        co_return co_await finish(*s);
    }
    co_return co_await end(std::move(*info), upload_state::expired);
}

task<result<void>> upload_service::remove_tombstone(upload_id id) {
    auto marker = co_await files_.read_marker(id);
    if (!marker) {
        co_return fail(marker.error());
    }
    if (*marker) {
        co_return result<void>{};  // its end has not been told yet
    }
    co_return co_await remove(id);
}

}  // namespace vora::upload
