#include "services/metadata/adapters/sqlite_video_repository.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <set>

namespace vora::metadata {
namespace {

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

TEST_F(sqlite_repository, a_video_comes_back_with_every_field) {
    auto v = put(some_video());
    v.version = 2;
    v.state = video_state::ready;
    v.source = upload_id{"u1"};
    v.playable_at = w.clock.now() + 1s;
    v.settled_at = w.clock.now() + 2s;
    v.duration_s = 12.5;
    v.width = 1920;
    v.height = 1080;
    v.renditions = {{"1080p", 1920, 1080, 5'000'000, 4'000'000, "avc1.640028,mp4a.40.2", 29.97, 300,
                     3, 7'000'000}};
    v.input_report = {{"truncated", "the end is missing: \"\xE9\x9B\xAA\""}};
    v.failure = video_failure{"internal_error", "x"};
    v.deleting_at = w.clock.now() + 3s;
    v.deleted_at = w.clock.now() + 4s;
    ASSERT_TRUE(change([&](video_transaction& t) { return t.update(v); }));
    EXPECT_EQ(w.stored(v.id), v);
}

TEST_F(sqlite_repository, a_transaction_that_fails_leaves_no_trace) {
    const auto v = some_video();
    const auto r = change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.insert(v));
        EXPECT_TRUE(t.put_upload({upload_id{"u"}, v.id, upload_status::open, v.created_at}));
        return fail(errc::aborted, "changed_my_mind");
    });
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "changed_my_mind");
    EXPECT_FALSE(w.run(w.repository.find(v.id)).value());
    EXPECT_EQ(w.count("SELECT count(*) FROM Uploads"), 0);
}

TEST_F(sqlite_repository, of_two_changes_from_one_version_the_second_is_refused) {
    auto v = put(some_video());
    v.version = 2;
    v.title = "first";
    ASSERT_TRUE(change([&](video_transaction& t) { return t.update(v); }));
    v.title = "second";
    const auto r = change([&](video_transaction& t) { return t.update(v); });
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "lost_race");
    EXPECT_EQ(w.stored(v.id).title, "first");
}

TEST_F(sqlite_repository, the_same_id_or_the_same_message_twice_is_refused) {
    const auto v = put(some_video());
    EXPECT_EQ(change([&](video_transaction& t) { return t.insert(v); }).error().reason,
              "video_exists");
    outbox_message m;
    m.video = v.id;
    m.created_at = w.clock.now();
    ASSERT_TRUE(change([&](video_transaction& t) { return t.add_outbox(m); }));
    EXPECT_EQ(change([&](video_transaction& t) { return t.add_outbox(m); }).error().reason,
              "outbox_exists");
}

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

TEST_F(sqlite_repository, a_list_is_paged_newest_first_and_ties_are_ordered) {
    std::set<std::string> all;
    for (int i = 0; i < 10; ++i) {
        all.insert(put(some_video(i < 5 ? 0ms : 1'000ms)).id.value);
    }
    list_query q;
    q.count_max = 3;
    std::set<std::string> seen;
    std::optional<video> last;
    for (;;) {
        const auto page = w.run(w.repository.list(q)).value();
        if (page.empty()) {
            break;
        }
        for (const auto& v : page) {
            EXPECT_TRUE(seen.insert(v.id.value).second) << "shown twice";
            EXPECT_TRUE(!last || v.created_at < last->created_at ||
                        (v.created_at == last->created_at && v.id < last->id));
            last = v;
        }
        q.after = list_position{last->created_at, last->id};
        put(some_video(-1'000ms));  // newer ones come meanwhile
    }
    EXPECT_EQ(seen, all);
}

TEST_F(sqlite_repository, a_list_shows_its_owner_and_state_and_nothing_deleted) {
    const auto mine = put(some_video());
    auto other = some_video();
    other.owner = "bert";
    put(other);
    auto gone = some_video();
    gone.deleting_at = w.clock.now();
    put(gone);
    list_query q;
    EXPECT_EQ(w.run(w.repository.list(q)).value().size(), 2u);
    q.owner = "anna";
    const auto of_anna = w.run(w.repository.list(q)).value();
    ASSERT_EQ(of_anna.size(), 1u);
    EXPECT_EQ(of_anna[0].id, mine.id);
    q.state = video_state::ready;
    EXPECT_TRUE(w.run(w.repository.list(q)).value().empty());
}

TEST_F(sqlite_repository, a_claim_lasts_until_its_end_or_its_release) {
    const auto v = put(some_video());
    outbox_message m;
    m.video = v.id;
    m.source_key = "u1/original.mp4";
    m.source_bytes = 1LL << 40;
    m.created_at = w.clock.now();
    ASSERT_TRUE(change([&](video_transaction& t) { return t.add_outbox(m); }));
    const auto claim = [&] {
        const auto now = w.clock.now();
        return w
            .run(transact<std::vector<outbox_message>>(
                w.repository,
                [now](video_transaction& t) { return t.claim_outbox(now, now + 10s, 5); }))
            .value();
    };
    const auto first = claim();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].source_key, m.source_key);
    EXPECT_EQ(first[0].source_bytes, m.source_bytes);
    EXPECT_TRUE(claim().empty()) << "it is somebody's";
    w.clock.advance(10s);
    EXPECT_EQ(claim().size(), 1u) << "the lease has run out";
    ASSERT_TRUE(change([&](video_transaction& t) { return t.release_outbox(m); }));
    EXPECT_EQ(claim().size(), 1u) << "it was given back";
    ASSERT_TRUE(change([&](video_transaction& t) { return t.release_all_claims(); }));
    EXPECT_EQ(claim().size(), 1u);
    ASSERT_TRUE(change([&](video_transaction& t) { return t.outbox_sent(m, w.clock.now()); }));
    w.clock.advance(1h);
    EXPECT_TRUE(claim().empty()) << "it was sent";
    ASSERT_TRUE(
        change([&](video_transaction& t) { return t.forget_sent_outbox(w.clock.now(), 10); }));
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 0);
}

TEST_F(sqlite_repository, a_later_message_of_a_video_waits_for_the_earlier_one) {
    const auto v = put(some_video());
    outbox_message start;
    start.video = v.id;
    start.created_at = w.clock.now();
    auto end = start;
    end.kind = outbox_kind::start_delete;
    end.created_at = w.clock.now() - 1s;  // a clock that was set back
    ASSERT_TRUE(change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.add_outbox(end));
        return t.add_outbox(start);
    }));
    const auto now = w.clock.now();
    const auto claim = [&] {
        return w
            .run(transact<std::vector<outbox_message>>(
                w.repository,
                [now](video_transaction& t) { return t.claim_outbox(now, now + 10s, 5); }))
            .value();
    };
    const auto first = claim();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].kind, outbox_kind::start_ingest);
    EXPECT_TRUE(claim().empty());
    ASSERT_TRUE(change([&](video_transaction& t) { return t.outbox_sent(start, now); }));
    EXPECT_EQ(claim().size(), 1u);
}

}  // namespace
}  // namespace vora::metadata
