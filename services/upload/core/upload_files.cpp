#include "services/upload/core/upload_files.hpp"

#include <algorithm>

namespace vora::upload {

namespace {

constexpr std::size_t record_bytes_max = 64 << 10;
constexpr std::size_t page_keys = 1000;

std::string info_key(const upload_id& id) {
    return id.value + "/.info";
}

std::string hook_key(const upload_id& id) {
    return id.value + "/.hook";
}

std::string tail_key(const upload_id& id, extent e) {
    return id.value + "/" + tail_name(e);
}

// Trouble of the store is never the client's fault, whatever the store calls it.
error storage_error(error e) {
    if (e.code == errc::resource_exhausted && e.reason == "store_full") {
        return e;
    }
    if (e.code == errc::data_loss) {
        return {errc::data_loss, "upload_damaged", e.reason + ": " + e.detail};
    }
    return {errc::unavailable, "storage_unavailable", e.reason + ": " + e.detail};
}

std::unexpected<error> damaged(std::string what) {
    return fail(errc::data_loss, "upload_damaged", std::move(what));
}

}  // namespace

upload_files::upload_files(blob::reader& reader, blob::writer& writer, blob::remover& remover)
    : reader_(reader), writer_(writer), remover_(remover) {}

task<result<upload_info>> upload_files::read_info(upload_id id) {
    auto text = co_await blob::read_object(reader_, info_key(id), record_bytes_max);
    if (!text && text.error().code == errc::not_found) {
        co_return fail(errc::not_found, "no_such_upload");
    }
    if (!text && text.error().code == errc::resource_exhausted) {
        co_return damaged("record: too large");
    }
    if (!text) {
        co_return fail(storage_error(text.error()));
    }
    co_return upload::read_info(*text, id);
}

task<result<void>> upload_files::create_info(upload_info info) {
    auto r = co_await writer_.put(info_key(info.id), write_info(info), blob::put_mode::create_only);
    if (!r) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<void>> upload_files::update_info(upload_info info) {
    auto r = co_await writer_.put(info_key(info.id), write_info(info), blob::put_mode::overwrite);
    if (!r) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<bool>> upload_files::has_object(upload_info info) {
    auto object = co_await reader_.head(info.object_key());
    if (!object && object.error().code == errc::not_found) {
        co_return false;
    }
    if (!object) {
        co_return fail(storage_error(object.error()));
    }
    if (object->size_bytes != info.length) {
        co_return damaged("object: size " + std::to_string(object->size_bytes));
    }
    co_return true;
}

// The order matters to readers without the lock: tails go only after their part is recorded, and
// the multipart only after the object is there.
task<result<upload_snapshot>> upload_files::load(upload_id id) {
    auto keys = co_await reader_.list(id.value + "/.tail-", "", page_keys);
    if (!keys) {
        co_return fail(storage_error(keys.error()));
    }
    auto info = co_await read_info(id);
    if (!info) {
        co_return fail(info.error());
    }
    upload_snapshot s{.info = std::move(*info)};
    for (const auto& object : *keys) {
        if (auto e = parse_tail_name(object.key.substr(id.value.size() + 1));
            e && e->size() == object.size_bytes) {
            s.tails.push_back(*e);
        }
    }
    if (s.info.state != upload_state::open && s.info.state != upload_state::finished) {
        co_return s;
    }
    std::optional<error> parts_gone;
    if (!s.info.multipart_id.empty()) {
        auto stored = co_await writer_.list_parts(s.info.object_key(), s.info.multipart_id);
        if (stored) {
            s.run = s.plan().full_run(*stored);
        } else if (stored.error().code == errc::not_found) {
            parts_gone = stored.error();
        } else {
            co_return fail(storage_error(stored.error()));
        }
    }
    auto object = co_await has_object(s.info);
    if (!object) {
        co_return fail(object.error());
    }
    s.object_present = *object;
    if (s.object_present) {
        s.offset = s.info.length;
        co_return s;
    }
    if (parts_gone || s.info.state == upload_state::finished) {
        co_return damaged(parts_gone ? "multipart gone, no object" : "finished, no object");
    }
    s.offset = s.plan().tail_end(s.run.size(), s.tails);
    co_return s;
}

task<result<void>> upload_files::put_tail(upload_id id, std::uint64_t from,
                                          std::span<const char> bytes) {
    const extent e{from, from + bytes.size()};
    auto r = co_await writer_.put_span(tail_key(id, e), bytes, blob::put_mode::create_only);
    // Taken: an earlier try whose answer was lost. Then these very bytes are there.
    if (!r && r.error().code != errc::already_exists) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<void>> upload_files::read_tails(upload_id id, std::vector<extent> tails,
                                            std::uint64_t from, std::span<char> into) {
    auto at = from;
    const auto end = from + into.size();
    while (at < end) {
        const auto next = std::ranges::max_element(
            tails, {}, [&](const extent& e) { return e.from <= at ? e.to : 0; });
        if (next == tails.end() || next->from > at || next->to <= at) {
            co_return damaged("tail: gap at " + std::to_string(at));
        }
        const auto stop = std::min(next->to, end);
        auto stream = co_await reader_.open(tail_key(id, *next),
                                            blob::byte_range{at - next->from, stop - at});
        if (!stream) {
            co_return fail(storage_error(stream.error()));
        }
        while (at < stop) {
            auto n = co_await (*stream)->read(into.subspan(at - from, stop - at));
            if (!n) {
                co_return fail(storage_error(n.error()));
            }
            if (*n == 0) {
                co_return damaged("tail: short");
            }
            at += *n;
        }
    }
    co_return result<void>{};
}

task<> upload_files::remove_tails(upload_id id, std::vector<extent> tails) {
    for (const auto& e : tails) {
        co_await remover_.remove(tail_key(id, e));
    }
}

task<result<blob::part_info>> upload_files::put_part(upload_info& info, std::uint64_t index,
                                                     std::span<const char> bytes) {
    if (info.multipart_id.empty()) {
        auto begun = co_await writer_.begin_multipart(info.object_key(), info.part_bytes);
        if (!begun) {
            co_return fail(storage_error(begun.error()));
        }
        auto noted = info;
        noted.multipart_id = *begun;
        auto written = co_await update_info(noted);
        if (!written) {
            // Not aborted: the record may name it all the same, when only the answer was lost.
            co_return fail(written.error());
        }
        info = std::move(noted);
    }
    auto part = co_await writer_.put_part(info.object_key(), info.multipart_id,
                                          static_cast<std::uint32_t>(index + 1), bytes);
    if (!part && part.error().code == errc::not_found) {
        co_return damaged("multipart gone");
    }
    if (!part) {
        co_return fail(storage_error(part.error()));
    }
    co_return part;
}

task<result<void>> upload_files::complete(upload_info info, std::vector<blob::part_info> parts) {
    result<blob::object_info> made;
    if (info.length == 0) {
        made = co_await writer_.put(info.object_key(), "", blob::put_mode::create_only);
    } else {
        made = co_await writer_.complete_multipart(info.object_key(), info.multipart_id,
                                                   std::move(parts));
    }
    if (made && made->size_bytes == info.length) {
        co_return result<void>{};
    }
    // Done by an earlier try whose answer was lost? Only the object itself can tell.
    auto present = co_await has_object(info);
    if (!present) {
        co_return fail(present.error());
    }
    if (*present) {
        co_return result<void>{};
    }
    if (made || made.error().code == errc::not_found) {
        co_return damaged("multipart gone, no object");
    }
    co_return fail(storage_error(made.error()));
}

task<result<void>> upload_files::discard_bytes(upload_info info) {
    if (!info.multipart_id.empty()) {
        auto r = co_await writer_.abort_multipart(info.object_key(), info.multipart_id);
        if (!r) {
            co_return fail(storage_error(r.error()));
        }
    }
    for (;;) {
        auto keys = co_await reader_.list(info.id.value + "/.tail-", "", page_keys);
        if (!keys) {
            co_return fail(storage_error(keys.error()));
        }
        for (const auto& object : *keys) {
            auto r = co_await remover_.remove(object.key);
            if (!r) {
                co_return fail(storage_error(r.error()));
            }
        }
        if (keys->size() < page_keys) {
            co_return result<void>{};
        }
    }
}

task<result<void>> upload_files::remove_all(upload_id id) {
    auto r = co_await remover_.remove_all(id.value + "/");
    if (!r) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<void>> upload_files::put_marker(upload_id id, hook_marker marker) {
    auto r = co_await writer_.put(hook_key(id), write_marker(marker), blob::put_mode::overwrite);
    if (!r) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<std::optional<hook_marker>>> upload_files::read_marker(upload_id id) {
    auto text = co_await blob::read_object(reader_, hook_key(id), record_bytes_max);
    if (!text && text.error().code == errc::not_found) {
        co_return std::optional<hook_marker>{};
    }
    if (!text) {
        co_return fail(storage_error(text.error()));
    }
    auto marker = upload::read_marker(*text);
    if (!marker) {
        co_return fail(marker.error());
    }
    co_return std::optional(*marker);
}

task<result<void>> upload_files::remove_marker(upload_id id) {
    auto r = co_await remover_.remove(hook_key(id));
    if (!r) {
        co_return fail(storage_error(r.error()));
    }
    co_return result<void>{};
}

task<result<upload_files::listed>> upload_files::list(std::string after) {
    auto keys = co_await reader_.list("", std::move(after), page_keys);
    if (!keys) {
        co_return fail(storage_error(keys.error()));
    }
    listed page;
    for (const auto& object : *keys) {
        const auto slash = object.key.find('/');
        if (slash != std::string::npos &&
            is_upload_id(std::string_view(object.key).substr(0, slash))) {
            page.names.emplace_back(upload_id{object.key.substr(0, slash)},
                                    object.key.substr(slash + 1));
        }
    }
    if (keys->size() == page_keys) {
        page.last_key = keys->back().key;
    }
    co_return page;
}

}  // namespace vora::upload
