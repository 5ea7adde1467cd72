#include "services/upload/core/upload_service.hpp"

#include "libs/base/encoding.hpp"

#include <algorithm>
#include <exception>

namespace vora::upload {

namespace {

constexpr std::uint64_t receiving_bytes_min = 16 << 20;

// Room to put two of the largest parts together at a time.
std::uint64_t assembling_bytes(const upload_limits& limits) {
    return 2 * part_bytes_for(limits.size_max_bytes);
}

std::uint64_t receiving_bytes(const upload_limits& limits) {
    const auto rest = limits.memory_bytes > assembling_bytes(limits)
                          ? limits.memory_bytes - assembling_bytes(limits)
                          : 0;
    return std::max(rest, receiving_bytes_min);
}

std::unexpected<error> no_such_upload() {
    return fail(errc::not_found, "no_such_upload");
}

std::optional<error> why_ended(upload_state s) {
    if (s == upload_state::expired) {
        return error{errc::not_found, "upload_expired", {}};
    }
    if (s == upload_state::terminated) {
        return error{errc::not_found, "upload_terminated", {}};
    }
    return std::nullopt;
}

}  // namespace

upload_service::upload_service(executor ex, upload_files& files, hook_sink& sink,
                               const clock_source& clock, observer& observed, upload_limits limits,
                               hook_backoff backoff, blob::free_space* space)
    : executor_(ex),
      files_(files),
      clock_(clock),
      observed_(observed),
      limits_(std::move(limits)),
      space_(space),
      assembling_(ex, assembling_bytes(limits_)),
      receiving_(ex, receiving_bytes(limits_), receiving_bytes(limits_) / 4),
      locks_(ex),
      hooks_(ex, files, sink, observed, backoff) {}

append_resources upload_service::resources() {
    return {files_, receiving_, assembling_, observed_, limits_.append, space_};
}

task<result<upload_service::lock>> upload_service::take_lock(upload_id id) {
    auto l = co_await locks_.take(std::move(id), limits_.lock_wait);
    co_return l;
}

result<void> upload_service::check_new(const access& who, const new_upload& wanted,
                                       const byte_source* body) const {
    const auto most = std::min(limits_.size_max_bytes, who.length_max.value_or(UINT64_MAX));
    if (wanted.length > most) {
        return fail(errc::out_of_range, "upload_too_large");
    }
    if (body != nullptr && body->length().value_or(0) > wanted.length) {
        return fail(errc::out_of_range, "body_beyond_length");
    }
    if (!is_valid_utf8(who.subject) || !is_valid_utf8(who.reference)) {
        return fail(errc::invalid_argument, "bad_reference");
    }
    if (index_.count_open(who.reference, who.subject) >= limits_.open_per_reference_max) {
        return fail(errc::resource_exhausted, "too_many_uploads");
    }
    return {};
}

// Before the disk is full: those who have begun may still end.
task<result<void>> upload_service::check_room(std::uint64_t length) {
    if (space_ == nullptr) {
        co_return result<void>{};
    }
    const auto left = co_await space_->look(0);
    if (left != blob::room::ample) {
        co_return fail(errc::resource_exhausted, "insufficient_storage");
    }
    const auto with_it = co_await space_->look(length);
    if (with_it == blob::room::none) {
        co_return fail(errc::resource_exhausted, "insufficient_storage");
    }
    co_return result<void>{};
}

task<result<upload_view>> upload_service::create(access who, new_upload wanted, byte_source* body) {
    if (auto ok = check_new(who, wanted, body); !ok) {
        co_return fail(ok.error());
    }
    auto room = co_await check_room(wanted.length);
    if (!room) {
        co_return fail(room.error());
    }
    const auto now = clock_.now();
    upload_info info{.id = make_upload_id(),
                     .owner = who.subject,
                     .reference = who.reference,
                     .length = wanted.length,
                     .part_bytes = part_bytes_for(wanted.length),
                     .object_name = limits_.object_name,
                     .metadata = std::move(wanted.metadata),
                     .created = now,
                     .expires = now + limits_.expiry};
    index_.put(info);  // before the first wait: it counts against the limit from now on
    auto held = co_await take_lock(info.id);
    if (!held) {
        co_return fail(held.error());
    }
    auto written = co_await files_.create_info(info);
    if (!written) {
        index_.erase(info.id);
        co_return fail(written.error());
    }
    observed_.created(info);
    co_return co_await fill_new(std::move(info), body, held->stop());
}

task<result<upload_view>> upload_service::fill_new(upload_info info, byte_source* body,
                                                   stop_request& stop) {
    if (info.length == 0) {
        upload_snapshot s{.info = std::move(info)};
        auto done = co_await finish(s);
        if (!done) {
            co_return fail(done.error());
        }
        co_return upload_view{std::move(s.info), 0};
    }
    if (body == nullptr) {
        co_return upload_view{std::move(info), 0};
    }
    auto filled = co_await append_shielded(info.id, 0, *body, stop);
    if (filled) {
        co_return filled;
    }
    // The upload is there: the client learns where it stands and goes on.
    auto s = co_await files_.load(info.id);
    if (!s) {
        co_return upload_view{std::move(info), 0};
    }
    const bool unseen = s->offset == s->info.length && s->info.state == upload_state::open;
    co_return upload_view{s->info, unseen ? 0 : s->offset};
}

// Somebody else's upload looks like one that never was.
task<result<void>> upload_service::check_visible(access who, upload_id id) {
    auto info = co_await files_.read_info(id);
    if (!info && info.error().code == errc::data_loss) {
        co_return result<void>{};  // nobody's: load() will say what is wrong
    }
    if (!info) {
        co_return fail(info.error());
    }
    if (!may_see(who, *info)) {
        co_return no_such_upload();
    }
    co_return result<void>{};
}

task<result<upload_snapshot>> upload_service::load_live(upload_id id) {
    auto s = co_await files_.load(id);
    if (!s) {
        co_return fail(s.error());
    }
    if (auto e = why_ended(s->info.state)) {
        co_return fail(*e);
    }
    const bool over = s->info.state == upload_state::open && s->info.expires <= clock_.now() &&
                      s->offset < s->info.length;
    if (over) {
        auto ended = co_await end(s->info, upload_state::expired);
        co_return fail(ended ? *why_ended(upload_state::expired) : ended.error());
    }
    co_return s;
}

task<result<upload_view>> upload_service::head(access who, upload_id id) {
    auto visible = co_await check_visible(std::move(who), id);
    if (!visible) {
        co_return fail(visible.error());
    }
    auto held = co_await take_lock(id);
    if (!held) {
        co_return fail(held.error());
    }
    auto s = co_await load_live(id);
    if (!s) {
        co_return fail(s.error());
    }
    if (s->offset == s->info.length) {
        auto done = co_await finish(*s);
        if (!done) {
            co_return fail(done.error());
        }
    }
    co_return upload_view{std::move(s->info), s->offset};
}

task<result<upload_view>> upload_service::append(access who, upload_id id, std::uint64_t offset,
                                                 byte_source& body) {
    auto visible = co_await check_visible(std::move(who), id);
    if (!visible) {
        co_return fail(visible.error());
    }
    auto held = co_await take_lock(id);
    if (!held) {
        co_return fail(held.error());
    }
    auto r = co_await append_shielded(id, offset, body, held->stop());
    co_return r;
}

task<result<upload_view>> upload_service::append_shielded(upload_id id, std::uint64_t offset,
                                                          byte_source& body, stop_request& stop) {
    co_await stop.begin_shield();
    std::exception_ptr failure;
    result<upload_view> r;
    try {
        r = co_await append_locked(id, offset, body, stop);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await stop.end_shield();
    if (failure) {
        std::rethrow_exception(failure);
    }
    if (!r && stop.asked() == stop_request::reason::taken_over) {
        observed_.taken_over(id);
    }
    if (!r && r.error().reason == "stop_requested") {
        co_return fail(errc::aborted, "upload_taken_over");
    }
    co_return r;
}

task<result<upload_view>> upload_service::append_locked(upload_id id, std::uint64_t offset,
                                                        byte_source& body, stop_request& stop) {
    auto s = co_await load_live(id);
    if (!s) {
        co_return fail(s.error());
    }
    if (offset != s->offset) {
        co_return fail(errc::failed_precondition, "upload_offset_mismatch");
    }
    if (body.length().value_or(0) > s->info.length - offset) {
        co_return fail(errc::out_of_range, "body_beyond_length");
    }
    auto received = co_await receive(*s, body, stop);
    if (!received) {
        if (s->offset == s->info.length) {
            unfinished_.insert(id);
        }
        co_return fail(received.error());
    }
    if (s->offset == s->info.length) {
        auto done = co_await finish(*s);
        if (!done) {
            co_return fail(done.error());
        }
    }
    co_return upload_view{std::move(s->info), s->offset};
}

// Leaves in s what is durable now.
task<result<void>> upload_service::receive(upload_snapshot& s, byte_source& body,
                                           stop_request& stop) {
    if (s.object_present) {
        char extra = 0;
        auto n = co_await stop.guard(body.read(std::span(&extra, 1)));
        if (n && *n != 0) {
            co_return fail(errc::out_of_range, "body_beyond_length");
        }
        co_return n ? result<void>{} : fail(n.error());
    }
    appender a(resources(), s, stop);
    auto received = co_await a.run(body);
    s.offset = s.plan().tail_end(s.run.size(), s.tails);
    co_return received;
}

task<result<void>> upload_service::terminate(access who, upload_id id) {
    auto visible = co_await check_visible(std::move(who), id);
    if (!visible) {
        co_return visible;
    }
    auto held = co_await take_lock(id);
    if (!held) {
        co_return fail(held.error());
    }
    auto info = co_await files_.read_info(id);
    if (!info) {
        co_return fail(info.error());
    }
    if (auto e = why_ended(info->state)) {
        co_return fail(*e);
    }
    auto present = info->state == upload_state::finished ? result<bool>(true)
                                                         : co_await files_.has_object(*info);
    if (present && *present) {
        co_return fail(errc::permission_denied, "upload_finished");
    }
    if (!present && present.error().code != errc::data_loss) {
        co_return fail(present.error());
    }
    auto ended = co_await end(std::move(*info), upload_state::terminated);
    co_return ended;
}

task<result<upload_view>> upload_service::inspect(upload_id id) {
    auto s = co_await files_.load(id);
    if (!s) {
        co_return fail(s.error());
    }
    co_return upload_view{std::move(s->info), s->offset};
}

std::vector<upload_id> upload_service::with_reference(const std::string& reference) const {
    return index_.with_reference(reference);
}

}  // namespace vora::upload
