#include "libs/durable/engine_embedded/inspection.hpp"

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace vora::durable {
namespace {

struct engine_file : testing::Test {
    std::string path =
        (std::filesystem::temp_directory_path() / ("vora_engine_" + random_hex(8))).string();
    SQLite::Database db{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};

    void SetUp() override { sql::migrate(db); }
    void TearDown() override { std::filesystem::remove(path); }

    void add(const std::string& id, std::int64_t started_ms,
             run_status status = run_status::running) {
        run_row row;
        row.workflow_id = id;
        row.run_id = "run-" + id;
        row.workflow_type = "ingest_video";
        row.status = status;
        row.started = from_unix_ms(started_ms);
        history_event started;
        started.id = 1;
        started.type = event_type::workflow_execution_started;
        ASSERT_TRUE(sql::insert_run(db, row, started));
    }
    std::vector<std::string> ids(run_query q) {
        std::vector<std::string> all;
        for (const auto& run : list_runs_of(path, q).value()) {
            all.push_back(run.workflow_id);
        }
        return all;
    }
    std::string verdict() {
        const auto r = check_engine_file(path);
        return r ? "ok" : r.error().reason;
    }
    using names = std::vector<std::string>;
};

TEST_F(engine_file, runs_come_newest_first_by_pages_prefix_and_status) {
    add("video-a-g1", 1'000, run_status::failed);
    add("video-a-g2", 3'000);
    add("video-b-g1", 3'000, run_status::completed);
    add("delete-a", 2'000);
    EXPECT_EQ(ids({}), (names{"video-b-g1", "video-a-g2", "delete-a", "video-a-g1"}));
    run_query page;
    page.count_max = 2;
    EXPECT_EQ(ids(page), (names{"video-b-g1", "video-a-g2"}));
    page.after = run_query::position{from_unix_ms(3'000), "video-a-g2"};
    EXPECT_EQ(ids(page), (names{"delete-a", "video-a-g1"}));
    run_query of_a;
    of_a.id_prefix = "video-a-";
    EXPECT_EQ(ids(of_a), (names{"video-a-g2", "video-a-g1"}));
    of_a.status = run_status::failed;
    EXPECT_EQ(ids(of_a), names{"video-a-g1"});
}

TEST_F(engine_file, what_keeps_the_engine_from_working_is_named) {
    EXPECT_EQ(verdict(), "ok");
    {
        SQLite::Database other(path, SQLite::OPEN_READWRITE);
        other.exec("BEGIN EXCLUSIVE");
        EXPECT_EQ(verdict(), "database_locked");
        other.exec("ROLLBACK");
    }
    db.exec("PRAGMA user_version = 99");
    EXPECT_EQ(verdict(), "database_too_new");
    std::ofstream(path, std::ios::binary | std::ios::trunc) << std::string(8192, 'x');
    EXPECT_EQ(verdict(), "database_damaged");
    std::filesystem::remove(path);
    EXPECT_EQ(verdict(), "database_missing");
}

}  // namespace
}  // namespace vora::durable
