#pragma once
// The whole core on a real SQLite file, with the upload service and the engine as doubles.

#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"
#include "services/metadata/adapters/durable_workflow_engine.hpp"
#include "services/metadata/adapters/sqlite_video_repository.hpp"
#include "services/metadata/core/commands.hpp"
#include "services/metadata/core/outbox_relay.hpp"
#include "services/metadata/core/processing.hpp"
#include "services/metadata/core/progress.hpp"
#include "services/metadata/core/settler.hpp"
#include "services/metadata/testing/fakes.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>

namespace vora::metadata {

struct temporary_directory {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("vora_metadata_" + random_hex(8));
    temporary_directory() { std::filesystem::create_directory(path); }
    ~temporary_directory() { std::filesystem::remove_all(path); }
};

struct world {
    static constexpr std::chrono::seconds retention{7 * 86'400};

    world() {
        if (auto r = repository.open(); !r) {
            throw std::runtime_error(r.error().detail);
        }
    }

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    video create(const std::string& owner = "anna") {
        return run(all.create({"title", "", visibility::only_owner, owner})).value();
    }
    // In one transaction, for tests that need many.
    void create_many(int n) {
        const auto now = clock.now();
        auto done = run(repository.in_transaction([n, now](video_transaction& t) -> result<void> {
            for (int i = 0; i < n; ++i) {
                auto v = create_video({"title", "", visibility::only_owner, "anna"},
                                      video_id{random_uuid()}, now, std::chrono::seconds(86'400));
                if (auto r = t.insert(v); !r) {
                    return r;
                }
            }
            return {};
        }));
        done.value();
    }
    video stored(const video_id& id) { return run(repository.find(id)).value().value(); }
    // A video in PROCESSING whose message was delivered.
    video processing_video(const std::string& upload = "u1") {
        auto v = create();
        uploads.put(upload, v.id, upload_status::finished);
        run(ends.notice({"anna", false}, v.id, upload_id{upload})).value();
        run(relay.run_once()).value();
        return stored(v.id);
    }
    std::int64_t count(const std::string& sql) {
        SQLite::Database db(database, SQLite::OPEN_READONLY);
        return db.execAndGet(sql).getInt64();
    }

    temporary_directory directory;
    std::string database = directory.path / "metadata.db";
    event_loop loop;
    blocking_pool pool{4};
    fake_clock clock;
    fake_upload_service uploads;
    fake_durable_client engine;
    int outbox_written = 0;
    int surplus_found = 0;
    sqlite_video_repository repository{pool, database};
    durable_workflow_engine workflows{engine, {100, 200, 3, 60}};
    videos all{repository, clock, std::chrono::seconds(86'400), [this] { ++outbox_written; }};
    completion ends{repository, uploads, clock, [this] { ++outbox_written; },
                    [this] { ++surplus_found; }};
    idempotency once{repository, clock, std::chrono::seconds(86'400)};
    commands changes{all, ends, once};
    processing runs{repository, uploads, workflows, clock};
    progress_reader progress{workflows, clock};
    outbox_relay relay{repository, workflows, clock};
    settler sweeps{repository, workflows, ends, clock, [this] { ++outbox_written; }};
    raw_collector collector{repository, uploads, clock, retention};
};

}  // namespace vora::metadata
