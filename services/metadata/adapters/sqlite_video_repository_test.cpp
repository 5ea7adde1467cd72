#include "services/metadata/adapters/sqlite_video_repository.hpp"

#include "services/metadata/testing/video_repository_contract.hpp"
#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

namespace vora::metadata {
namespace {

struct sqlite_store {
    static constexpr bool has_replicas = false;  // one process has the file

    sqlite_store(vora::executor, blocking_pool& p) : pool(p) {}
    std::unique_ptr<sql_video_repository> open() const {
        auto made = std::make_unique<sqlite_video_repository>(pool, directory.path / "metadata.db");
        if (auto r = made->open(); !r) {
            throw std::runtime_error(r.error().detail);
        }
        return made;
    }
    temporary_directory directory;
    blocking_pool& pool;
};

using sqlite = ::testing::Types<sqlite_store>;
INSTANTIATE_TYPED_TEST_SUITE_P(sqlite, video_repository_contract, sqlite);

struct sqlite_repository : testing::Test {
    world w;

    result<void> change(video_repository::transaction_body body) {
        return w.run(w.repository.in_transaction(std::move(body)));
    }
    video some_video(milliseconds age = 0ms) {
        return create_video({"title", "text", visibility::everyone, "anna"},
                            video_id{random_uuid()}, w.clock.now() - age, 60s);
    }
    video put(const video& v) {
        EXPECT_TRUE(change([&](video_transaction& t) { return t.insert(v); }));
        return v;
    }
};

TEST_F(sqlite_repository, commits_are_synchronous_and_foreign_keys_are_kept) {
    SQLite::Database db(w.database, SQLite::OPEN_READONLY);
    EXPECT_EQ(db.execAndGet("PRAGMA journal_mode").getString(), "wal");
    const auto r = change([&](video_transaction& t) {
        return t.put_upload({upload_id{"u"}, video_id{"nobody"}, upload_status::open, {}});
    });
    EXPECT_FALSE(r) << "an upload belongs to a video";
}

TEST_F(sqlite_repository, the_file_is_private) {
    struct stat s{};
    ASSERT_EQ(stat(w.database.c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600u);
}

TEST_F(sqlite_repository, a_locked_database_is_unavailable_and_heals) {
    const auto v = put(some_video());
    {
        SQLite::Database other(w.database, SQLite::OPEN_READWRITE);
        SQLite::Transaction lock(other, SQLite::TransactionBehavior::IMMEDIATE);
        const auto r = change([&](video_transaction& t) { return t.insert(some_video()); });
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, errc::unavailable);
        EXPECT_EQ(r.error().reason, "database_unavailable");
        EXPECT_TRUE(w.run(w.repository.find(v.id)).value()) << "reads go on";
    }
    EXPECT_TRUE(change([&](video_transaction& t) { return t.insert(some_video()); }));
}

TEST_F(sqlite_repository, those_who_queue_for_a_locked_file_wait_no_longer_than_the_first) {
    SQLite::Database other(w.database, SQLite::OPEN_READWRITE);
    const auto began = std::chrono::steady_clock::now();
    {
        SQLite::Transaction lock(other, SQLite::TransactionBehavior::EXCLUSIVE);
        int refused = 0;
        task_group together(w.loop.executor());
        for (int i = 0; i < 60; ++i) {
            together.spawn([](world& in, video v, int& count) -> task<> {
                auto r = co_await in.repository.in_transaction(
                    [&v](video_transaction& t) { return t.insert(v); });
                count += !r && r.error().code == errc::unavailable ? 1 : 0;
            }(w, some_video(), refused));
        }
        w.run([](task_group& all) -> task<int> {
            co_await all.join();
            co_return 0;
        }(together));
        EXPECT_EQ(refused, 60);
        // One after the other it would be 42 s.
        EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    }
    put(some_video());
}

// A file that may not grow: writes beyond the limit fail as on a full disk.
struct file_size_limit {
    explicit file_size_limit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        const rlimit limited{bytes, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limited);
    }
    ~file_size_limit() { setrlimit(RLIMIT_FSIZE, &before); }
    rlimit before{};
};

TEST_F(sqlite_repository, a_full_disk_is_unavailable_keeps_what_is_there_and_heals) {
    const auto v = put(some_video());
    auto big = some_video();
    big.description = std::string(4'000'000, 'x');
    {
        const file_size_limit full(1'000'000);
        const auto r = change([&](video_transaction& t) { return t.insert(big); });
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, errc::unavailable) << r.error().detail;
        EXPECT_EQ(w.stored(v.id), v);
    }
    put(big);
    EXPECT_EQ(w.stored(big.id), big);
}

TEST_F(sqlite_repository, a_database_of_a_later_program_is_refused) {
    {
        SQLite::Database db(w.database, SQLite::OPEN_READWRITE);
        db.exec("UPDATE schema_version SET version = 99");
    }
    sqlite_video_repository later(w.pool, w.database);
    const auto r = later.open();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "database_too_new");
}

TEST_F(sqlite_repository, opening_again_changes_nothing) {
    const auto v = put(some_video());
    sqlite_video_repository again(w.pool, w.database);
    ASSERT_TRUE(again.open());
    EXPECT_EQ(w.run(again.find(v.id)).value().value(), v);
    EXPECT_EQ(w.count("SELECT version FROM schema_version"), 2);
}

TEST_F(sqlite_repository, a_file_that_is_no_database_is_refused) {
    const auto path = (w.directory.path / "text.db").string();
    {
        std::FILE* f = std::fopen(path.c_str(), "w");
        std::fputs(std::string(5000, 'x').c_str(), f);
        std::fclose(f);
    }
    sqlite_video_repository r(w.pool, path);
    EXPECT_EQ(r.open().error().code, errc::data_loss);
}

TEST_F(sqlite_repository, only_a_path_is_a_database_url) {
    EXPECT_EQ(sqlite_path("sqlite:/a/b.db"), "/a/b.db");
    for (const auto* bad : {"", "sqlite:", "/a/b.db", "postgresql://x", "sqlite::memory:"}) {
        EXPECT_FALSE(sqlite_path(bad)) << bad;
    }
}

}  // namespace
}  // namespace vora::metadata
