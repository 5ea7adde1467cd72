#include "services/metadata/inventory.hpp"

#include "services/metadata/adapters/repository_by_url.hpp"
#include "services/metadata/adapters/sqlite_video_repository.hpp"

namespace vora::metadata {

namespace {

constexpr std::size_t page = 200;
constexpr std::size_t connections = 2;

inventory_video listed(const video& v, bool start_pending) {
    inventory_video i;
    i.id = v.id.value;
    i.state = to_string(v.state);
    i.generation = v.generation;
    i.deleted = is_deleted(v);
    i.tombstone = v.deleted_at.has_value();
    i.start_pending = start_pending;
    i.output_prefix = output_prefix(v.id, v.generation);
    i.source_upload = v.source.value;
    i.updated_at = v.updated_at;
    for (const auto& r : v.renditions) {
        i.renditions.push_back({r.name, r.segments, r.size_bytes});
    }
    return i;
}

// The service itself never takes READY back; only this tool does, when the media are gone.
bool lose(video& v, std::int64_t generation, const std::string& detail, timestamp now) {
    const video_failure why{"internal_error", detail};
    if (is_deleted(v) || v.generation != generation) {
        return false;
    }
    if (v.state == video_state::processing) {
        const auto moved = finish_failed(v, generation, why, now);
        return moved && *moved == transition::applied;
    }
    if (v.state != video_state::ready) {
        return false;
    }
    v.state = video_state::failed;
    v.failure = why;
    v.playable_at.reset();
    v.renditions.clear();
    v.settled_at = now;
    v.updated_at = now;
    ++v.version;
    return true;
}

}  // namespace

struct inventory::state {
    result<std::unique_ptr<sql_video_repository>> made;
    sql_video_repository& repository() { return **made; }
};

result<std::string> database_path(const std::string& database_url) {
    return sqlite_path(database_url);
}

result<void> check_database(const std::string& database_url) {
    return inspect_repository(database_url);
}

std::optional<std::string> video_of_upload_reference(const std::string& reference) {
    const auto id = video_of_reference(reference);
    return id ? std::optional(id->value) : std::nullopt;
}

inventory::inventory(executor ex, blocking_pool& pool, const std::string& database_url)
    : state_(new state{make_repository(std::move(ex), pool, database_url, connections)}) {}

inventory::~inventory() = default;

result<void> inventory::open() {
    return state_->made ? state_->repository().open() : fail(state_->made.error());
}

task<result<std::vector<inventory_video>>> inventory::in_state(std::string state_name,
                                                               std::string after) {
    const auto wanted = parse_video_state(state_name);
    if (!wanted) {
        co_return fail(errc::invalid_argument, "bad_state");
    }
    auto rows = co_await state_->repository().in_state(*wanted, video_id{after}, page);
    if (!rows) {
        co_return fail(rows.error());
    }
    std::vector<inventory_video> all;
    for (const auto& row : *rows) {
        auto v = listed(row.video, row.start_pending);
        if (!v.source_upload.empty()) {
            auto source = co_await state_->repository().find_upload(row.video.source);
            if (!source) {
                co_return fail(source.error());
            }
            v.source_status = *source ? to_string((*source)->status) : "";
        }
        all.push_back(std::move(v));
    }
    co_return all;
}

task<result<std::optional<inventory_video>>> inventory::find(std::string id) {
    auto v = co_await state_->repository().find(video_id{id});
    if (!v) {
        co_return fail(v.error());
    }
    co_return *v ? std::optional(listed(**v, false)) : std::nullopt;
}

task<result<bool>> inventory::mark_lost(std::string id, std::int64_t generation, std::string detail,
                                        timestamp now) {
    auto marked =
        co_await transact<bool>(state_->repository(), [&](video_transaction& t) -> result<bool> {
            auto v = t.find(video_id{id});
            if (!v) {
                return fail(v.error());
            }
            if (!*v || !lose(**v, generation, detail, now)) {
                return false;
            }
            if (auto r = t.update(**v); !r) {
                return fail(r.error());
            }
            return true;
        });
    co_return marked;
}

}  // namespace vora::metadata
