#include "services/all/fsck_check.hpp"

#include "libs/blob/file/leftovers.hpp"
#include "libs/durable/engine_embedded/inspection.hpp"
#include "services/upload/inventory.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace vora::all {

namespace {

constexpr std::size_t page = 1'000;
constexpr std::size_t runs_page = 200;

bool is_uuid(const std::string& text) {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const auto c = static_cast<unsigned char>(text[i]);
        if (dash ? c != '-' : std::isxdigit(c) == 0) {
            return false;
        }
    }
    return true;
}

std::string run_id_of(const metadata::inventory_video& v) {
    return "video-" + v.id + "-g" + std::to_string(v.generation);
}

// The objects of generation N > 1 lie below "{id}/gN/", inside the first one's prefix.
bool belongs_to(const std::string& key, const metadata::inventory_video& v) {
    if (v.generation > 1) {
        return key.starts_with(v.output_prefix);
    }
    const auto rest = key.substr(v.output_prefix.size());
    const auto slash = rest.find('/');
    const bool other_generation =
        slash != std::string::npos && slash > 1 && rest[0] == 'g' &&
        std::all_of(rest.begin() + 1, rest.begin() + static_cast<std::ptrdiff_t>(slash),
                    [](unsigned char c) { return std::isdigit(c) != 0; });
    return !other_generation;
}

}  // namespace

bool fsck_check::is_young(timestamp t) {
    const bool young = t > w_.now - w_.age;
    counts_.young += young ? 1 : 0;
    return young;
}

task<result<void>> fsck_check::run() {
    if (!w_.dir.empty()) {
        for (const auto* bucket : {"bucket-raw", "bucket-processed"}) {
            auto checked = co_await check_leftovers(bucket);
            if (!checked) {
                co_return checked;
            }
        }
        check_scratch();
    }
    auto raw = co_await for_each_group(w_.raw, "uploads",
                                       [this](group g) { return check_raw(std::move(g)); });
    if (!raw) {
        co_return raw;
    }
    auto media = co_await for_each_group(w_.processed, "media",
                                         [this](group g) { return check_processed(std::move(g)); });
    if (!media) {
        co_return media;
    }
    for (const auto* state : {"CREATED", "PROCESSING", "READY", "FAILED"}) {
        auto checked = co_await check_videos(state);
        if (!checked) {
            co_return checked;
        }
    }
    if (w_.dir.empty()) {
        co_return result<void>{};
    }
    co_return co_await check_runs();
}

// Keys come in byte order, so a group is complete when the next one begins.
task<result<void>> fsck_check::for_each_group(fsck_bucket store, std::string what, visit f) {
    group current;
    std::string after;
    for (;;) {
        auto listed = co_await store.reader.list("", after, page);
        if (!listed) {
            co_return fail(listed.error());
        }
        for (const auto& object : *listed) {
            auto name = object.key.substr(0, object.key.find('/'));
            if (name != current.name) {
                if (!current.name.empty()) {
                    auto visited = co_await f(std::exchange(current, {}));
                    if (!visited) {
                        co_return visited;
                    }
                }
                current.name = std::move(name);
            }
            current.sizes[object.key] = object.size_bytes;
            current.bytes += object.size_bytes;
            current.newest = std::max(current.newest, object.modified);
            ++counts_.objects;
            counts_.bytes += object.size_bytes;
        }
        w_.progress(what + ": " + std::to_string(counts_.objects) + " objects");
        if (listed->size() < page) {
            break;
        }
        after = listed->back().key;
    }
    if (!current.name.empty()) {
        co_return co_await f(std::move(current));
    }
    co_return result<void>{};
}

task<result<void>> fsck_check::orphan(fsck_bucket store, group g, std::string kind,
                                      std::string detail) {
    if (is_young(g.newest)) {
        co_return result<void>{};
    }
    fsck_finding f{std::move(kind), g.name + "/", std::move(detail), g.bytes, "remove", false};
    if (w_.repair) {
        for (const auto& [key, size] : g.sizes) {
            auto removed = co_await store.remover.remove(key);
            if (!removed) {
                co_return removed;
            }
        }
        f.repaired = true;
    }
    findings_.push_back(std::move(f));
    co_return result<void>{};
}

task<result<void>> fsck_check::check_raw(group g) {
    ++counts_.uploads;
    if (!upload::is_upload_name(g.name)) {
        co_return co_await orphan(w_.raw, std::move(g), "orphan_upload",
                                  "no name that the upload service gives");
    }
    auto record = co_await upload::read_stored_upload(w_.raw.reader, g.name);
    if (!record && record.error().code == errc::not_found) {
        co_return co_await orphan(w_.raw, std::move(g), "orphan_upload", "it has no record");
    }
    if (!record && record.error().code == errc::data_loss) {
        co_return co_await orphan(w_.raw, std::move(g), "orphan_upload", "its record is damaged");
    }
    if (!record) {
        co_return fail(record.error());
    }
    const auto id = metadata::video_of_upload_reference(record->reference);
    if (!id) {
        co_return result<void>{};  // begun with a token of its own, for no video
    }
    auto v = co_await w_.videos.find(*id);
    if (!v) {
        co_return fail(v.error());
    }
    if (!*v || (*v)->tombstone) {
        co_return co_await orphan(w_.raw, std::move(g), "orphan_upload",
                                  *v ? "its video was deleted" : "no video knows it");
    }
    if (record->state == "finished") {
        const auto file = g.sizes.find(record->object_key);
        const bool settled = (*v)->state == "READY" || (*v)->state == "FAILED";
        if (file == g.sizes.end() || file->second != record->length) {
            if (settled) {
                co_return co_await orphan(w_.raw, std::move(g), "broken_upload",
                                          "its file is missing or of the wrong size");
            }
            findings_.push_back(
                {"broken_upload", g.name + "/",
                 "its file is missing or of the wrong size: video " + *id + " will fail", g.bytes,
                 "", false});
        }
    }
    co_return result<void>{};
}

task<result<void>> fsck_check::check_processed(group g) {
    if (!is_uuid(g.name)) {
        co_return co_await orphan(w_.processed, std::move(g), "orphan_media", "no video's name");
    }
    auto v = co_await w_.videos.find(g.name);
    if (!v) {
        co_return fail(v.error());
    }
    if (!*v || (*v)->tombstone) {
        co_return co_await orphan(w_.processed, std::move(g), "orphan_media",
                                  *v ? "its video was deleted" : "no video knows it");
    }
    if ((*v)->deleted || (*v)->state == "PROCESSING") {
        co_return result<void>{};  // their runs look after it
    }
    if ((*v)->state != "READY") {
        co_return co_await orphan(w_.processed, std::move(g), "orphan_media",
                                  "its video is " + (*v)->state);
    }
    group superseded{g.name, {}, 0, g.newest};
    for (const auto& [key, size] : g.sizes) {
        if (!belongs_to(key, **v)) {
            superseded.sizes[key] = size;
            superseded.bytes += size;
        }
    }
    if (superseded.sizes.empty()) {
        co_return result<void>{};
    }
    co_return co_await orphan(w_.processed, std::move(superseded), "orphan_media",
                              "outputs of another generation than the video's");
}

task<result<void>> fsck_check::check_videos(std::string state) {
    std::string after;
    for (;;) {
        auto listed = co_await w_.videos.in_state(state, after);
        if (!listed) {
            co_return fail(listed.error());
        }
        if (listed->empty()) {
            co_return result<void>{};
        }
        after = listed->back().id;
        for (auto& v : *listed) {
            ++counts_.videos;
            auto checked = v.state == "READY"        ? co_await check_ready(std::move(v))
                           : v.state == "PROCESSING" ? co_await check_processing(std::move(v))
                                                     : result<void>{};
            if (!checked) {
                co_return checked;
            }
        }
        w_.progress("videos: " + std::to_string(counts_.videos));
    }
}

// What is missing of a READY video; empty when it is whole.
task<result<std::string>> fsck_check::missing_of(metadata::inventory_video v) {
    for (const auto* name : {"master.m3u8", "thumbnail.jpg"}) {
        auto there = co_await w_.processed.reader.head(v.output_prefix + name);
        if (!there && there.error().code != errc::not_found) {
            co_return fail(there.error());
        }
        if (!there) {
            co_return std::string(name) + " is missing";
        }
    }
    for (const auto& r : v.renditions) {
        std::int64_t segments = 0;
        std::int64_t bytes = 0;
        bool playlist = false;
        std::string after;
        for (;;) {
            auto listed =
                co_await w_.processed.reader.list(v.output_prefix + r.name + "/", after, page);
            if (!listed) {
                co_return fail(listed.error());
            }
            for (const auto& object : *listed) {
                const bool segment = object.key.ends_with(".ts");
                segments += segment ? 1 : 0;
                bytes += segment ? static_cast<std::int64_t>(object.size_bytes) : 0;
                playlist = playlist || object.key.ends_with("/playlist.m3u8");
            }
            if (listed->size() < page) {
                break;
            }
            after = listed->back().key;
        }
        if (!playlist) {
            co_return r.name + "/playlist.m3u8 is missing";
        }
        if (segments != r.segments || bytes != r.size_bytes) {
            co_return r.name + " has " + std::to_string(segments) + " segments of " +
                std::to_string(bytes) + " bytes instead of " + std::to_string(r.segments) + " of " +
                std::to_string(r.size_bytes);
        }
    }
    co_return std::string();
}

task<result<void>> fsck_check::lost(metadata::inventory_video v, std::string detail) {
    fsck_finding f{v.state == "READY" ? "lost_media" : "lost_run",
                   v.id,
                   std::move(detail),
                   0,
                   "mark the video FAILED",
                   false};
    if (w_.repair) {
        auto marked = co_await w_.videos.mark_lost(
            v.id, v.generation,
            v.state == "READY" ? "stored media were lost" : "processing was lost", w_.now);
        if (!marked) {
            co_return fail(marked.error());
        }
        f.repaired = *marked;
    }
    findings_.push_back(std::move(f));
    co_return result<void>{};
}

task<result<void>> fsck_check::check_ready(metadata::inventory_video v) {
    auto missing = co_await missing_of(v);
    if (!missing) {
        co_return fail(missing.error());
    }
    if (missing->empty()) {
        co_return result<void>{};
    }
    // It may have been deleted while it was looked at.
    auto now = co_await w_.videos.find(v.id);
    if (!now) {
        co_return fail(now.error());
    }
    if (!*now || (*now)->deleted || (*now)->state != v.state ||
        (*now)->generation != v.generation) {
        co_return result<void>{};
    }
    co_return co_await lost(std::move(v), *missing);
}

task<result<void>> fsck_check::check_processing(metadata::inventory_video v) {
    if (v.start_pending || w_.dir.empty()) {
        co_return result<void>{};
    }
    const auto id = run_id_of(v);
    durable::run_query q;
    q.id_prefix = id;
    q.count_max = runs_page;
    const auto runs = durable::list_runs_of(w_.dir + "/db/workflow.sqlite", q);
    if (!runs && runs.error().reason != "database_missing") {
        co_return fail(runs.error());
    }
    const bool known =
        runs && std::ranges::any_of(*runs, [&id](const auto& r) { return r.workflow_id == id; });
    if (known) {
        co_return result<void>{};  // also a closed one: the settler ends the video by it
    }
    co_return co_await lost(std::move(v), "its run " + id + " does not exist");
}

task<result<void>> fsck_check::check_runs() {
    durable::run_query q;
    q.status = durable::run_status::running;
    q.id_prefix = "video-";
    q.count_max = runs_page;
    for (;;) {
        const auto runs = durable::list_runs_of(w_.dir + "/db/workflow.sqlite", q);
        if (!runs) {
            co_return fail(runs.error());
        }
        for (const auto& r : *runs) {
            const auto id = r.workflow_id.substr(6, 36);
            auto v = co_await w_.videos.find(id);
            if (!v) {
                co_return fail(v.error());
            }
            if (!*v || (*v)->tombstone) {
                findings_.push_back({"orphan_run", r.workflow_id,
                                     "no video knows it; it ends by itself", 0, "", false});
            }
        }
        if (runs->size() < runs_page) {
            co_return result<void>{};
        }
        q.after = durable::run_query::position{runs->back().started, runs->back().workflow_id};
    }
}

// Nobody is writing: a put on its way is of a dead process, and so is a multipart whose upload is
// gone or has ended.
task<result<void>> fsck_check::check_leftovers(std::string bucket) {
    const auto root = w_.dir + "/store/" + bucket;
    for (const auto& l : blob::find_leftovers(root)) {
        std::string detail = "an unfinished write";
        if (l.what == blob::leftover::kind::multipart) {
            const auto id = upload::upload_of_key(l.key);
            auto record =
                id.empty() ? result<upload::stored_upload>(fail(errc::not_found, "no_such_upload"))
                           : co_await upload::read_stored_upload(w_.raw.reader, id);
            if (!record && record.error().code == errc::unavailable) {
                co_return fail(record.error());
            }
            if (record && record->state == "open") {
                continue;
            }
            detail = "parts of an upload that is gone";
        }
        fsck_finding f{"stale_part", bucket + "/" + l.path, detail, l.size_bytes, "remove", false};
        f.repaired = w_.repair && blob::remove_leftover(root, l);
        findings_.push_back(std::move(f));
    }
    co_return result<void>{};
}

void fsck_check::check_scratch() {
    std::error_code failed;
    for (std::filesystem::directory_iterator at(w_.scratch_dir, failed), end; !failed && at != end;
         at.increment(failed)) {
        fsck_finding f{"stale_scratch",
                       at->path().filename().string(),
                       "the directory of a job that is over",
                       0,
                       "remove",
                       false};
        if (w_.repair) {
            std::error_code ignored;
            f.repaired = std::filesystem::remove_all(at->path(), ignored) > 0;
        }
        findings_.push_back(std::move(f));
    }
}

}  // namespace vora::all
