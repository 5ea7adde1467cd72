// The repository on a real PostgreSQL server (VORA_TEST_POSTGRES), each test in a database of its
// own.

#include "services/metadata/adapters/postgres_connection.hpp"
#include "services/metadata/adapters/postgres_watchdog.hpp"
#include "services/metadata/adapters/repository_by_url.hpp"
#include "services/metadata/core/idempotency.hpp"
#include "services/metadata/core/videos.hpp"
#include "services/metadata/testing/postgres_store.hpp"
#include "services/metadata/testing/video_repository_contract.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

// libpqxx 6.4 does not free the result of a statement that failed (about 1 kB).
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libpqxx";
}

namespace vora::metadata {
namespace {

using postgres = ::testing::Types<postgres_store>;
INSTANTIATE_TYPED_TEST_SUITE_P(postgres, video_repository_contract, postgres);

struct postgres_repository : video_repository_contract<postgres_store> {
    void wait_until(const std::function<bool()>& met) {
        run([](const std::function<bool()>& is_met) -> task<int> {
            for (int i = 0; i < 6'000 && !is_met(); ++i) {
                co_await sleep_for(10ms);
            }
            co_return 0;
        }(met));
        EXPECT_TRUE(met());
    }
    void retitle(video v) {
        ++v.version;
        ASSERT_TRUE(change([&](video_transaction& t) { return t.update(v); }));
    }
};

TEST_F(postgres_repository, connections_that_were_lost_meanwhile_cost_nothing) {
    const auto v = put(some_video());
    for (int i = 0; i < 3; ++i) {
        store.end_connections();
        EXPECT_EQ(stored(v.id), v);
        store.end_connections();
        put(some_video());
    }
}

TEST_F(postgres_repository, a_death_during_commit_is_unavailable_and_the_same_key_settles_it) {
    // At its first commit the server's process ends itself; a sequence is not rolled back.
    store.sql(
        "CREATE SEQUENCE deaths;"
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        "  IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
        "  RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT ON Videos"
        "  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()");
    videos all(*first, clock, 60s, [] {});
    idempotency once(*first, clock, 60s);
    const auto ask = [&] {
        return run(once.run({"anna", "create_video", "key", "print"}, [&](answer_keeper keeper) {
            return all.create({"title", "", visibility::only_owner, "anna"}, std::move(keeper));
        }));
    };
    const auto lost = ask();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, errc::unavailable) << lost.error().detail;
    const auto made = ask();
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_FALSE(made->replayed);
    const auto again = ask();
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->video, made->video);
    EXPECT_EQ(run(first->list({})).value().size(), 1u);
}

TEST_F(postgres_repository, two_that_lock_each_other_both_come_through) {
    const auto a = put(some_video());
    const auto b = put(some_video());
    const auto results = at_once(4, [&](video_repository& r, int i) {
        const auto one = i % 2 == 0 ? a.id : b.id;
        const auto other = i % 2 == 0 ? b.id : a.id;
        return r.in_transaction([one, other](video_transaction& t) -> result<void> {
            for (const auto& id : {one, other}) {
                auto v = t.find(id);
                if (!v) {
                    return fail(v.error());
                }
                ++(*v)->version;
                if (auto done = t.update(**v); !done) {
                    return done;
                }
            }
            return {};
        });
    });
    for (const auto& r : results) {
        EXPECT_TRUE(r) << r.error().detail;
    }
    EXPECT_EQ(stored(a.id).version, 5);
    EXPECT_EQ(stored(b.id).version, 5);
}

TEST_F(postgres_repository, a_row_that_somebody_holds_is_unavailable_in_time_and_reads_go_on) {
    const auto v = put(some_video());
    const auto impatient = store.open(500ms);
    postgres_connection other(parse_postgres_url(store.url()).value(), 0, in_a_minute());
    postgres_session holder(other);
    holder.begin();
    holder.query("SELECT id FROM Videos WHERE id = ? FOR UPDATE", {v.id.value});
    const auto r = run(impatient->in_transaction([&](video_transaction& t) -> result<void> {
        auto found = t.find(v.id);
        return found ? result<void>{} : fail(found.error());
    }));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::unavailable);
    EXPECT_EQ(r.error().reason, "database_unavailable");
    EXPECT_EQ(stored(v.id), v);
}

TEST_F(postgres_repository, who_waits_for_a_server_that_says_nothing_is_let_go_at_the_deadline) {
    postgres_connection c(parse_postgres_url(store.url()).value(), 0, in_a_minute());
    postgres_watchdog watchdog;
    const postgres_watchdog::guard guard(watchdog, c.socket(),
                                         std::chrono::steady_clock::now() + 100ms);
    try {
        postgres_session(c).query("SELECT pg_sleep(600)", {});
        FAIL() << "it slept";
    } catch (const sql_failure& e) {
        EXPECT_EQ(e.what_failed.code, errc::unavailable);
        EXPECT_TRUE(e.broken);
    }
    EXPECT_FALSE(c.is_open());
}

// Takes connections and never says a word, like a server that was stopped.
struct silent_server {
    silent_server() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        ::bind(socket, reinterpret_cast<sockaddr*>(&address), length);
        ::listen(socket, 16);
        ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
        port = std::to_string(ntohs(address.sin_port));
    }
    ~silent_server() { ::close(socket); }
    int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    std::string port;
};

TEST_F(postgres_repository, a_silent_host_is_left_for_the_next_one) {
    const silent_server silent;
    const auto url = store.url();
    const auto at = url.find('@') + 1;
    const auto both = url.substr(0, at) + "127.0.0.1:" + silent.port + "," + url.substr(at) +
                      "?target_session_attrs=read-write";
    const postgres_connection c(parse_postgres_url(both).value(), 0,
                                std::chrono::steady_clock::now() + 8s);
    EXPECT_EQ(c.host(), 1u);
}

TEST_F(postgres_repository, a_server_that_is_away_is_unavailable_and_no_error_holds_the_password) {
    const silent_server silent;
    for (const auto& port : {silent.port, std::string("1")}) {
        postgres_options o;
        o.open_patience = 300ms;
        postgres_video_repository r(loop.executor(),
                                    "postgresql://vora:s3cr3t@127.0.0.1:" + port + "/x", o);
        const auto opened = r.open();
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, errc::unavailable);
        EXPECT_EQ(opened.error().detail.find("s3cr3t"), std::string::npos);
    }
    auto wrong = store.url();
    wrong.replace(wrong.find("//") + 2, wrong.find('@') - wrong.find("//") - 2, "vora:s3cr3t");
    postgres_video_repository r(loop.executor(), wrong);
    const auto refused = r.open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unavailable);
    EXPECT_EQ(refused.error().detail.find("s3cr3t"), std::string::npos);
}

TEST_F(postgres_repository, a_url_that_is_none_is_refused_without_being_quoted) {
    for (const auto* bad :
         {"postgresql://u:s3cr3t@more@host/db", "postgresql://u:s3cr3t/x@host/db",
          "postgresql://u:s3cr3t?x@host/db", "postgresql://u:p@host/db?s3cr3t=1",
          "postgresql://u:p@host:s3cr3t/db", "mysql://u:s3cr3t@host/db", "s3cr3t"}) {
        blocking_pool& p = pool;
        auto made = make_repository(loop.executor(), p, bad, 1);
        if (made) {
            const auto opened = (*made)->open();
            ASSERT_FALSE(opened) << bad;
            EXPECT_EQ(opened.error().code, errc::unavailable) << bad;
            continue;
        }
        EXPECT_EQ(made.error().reason, "bad_database_url");
        EXPECT_EQ(made.error().detail.find("s3cr3t"), std::string::npos) << bad;
    }
    EXPECT_TRUE(make_repository(loop.executor(), pool, store.url(), 1));
}

TEST_F(postgres_repository, text_that_it_cannot_keep_is_refused) {
    for (const auto& text : {std::string("an\0na", 5), std::string("\xFF")}) {
        auto v = some_video();
        v.owner = text;
        const auto r = change([&](video_transaction& t) { return t.insert(v); });
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, errc::invalid_argument);
    }
}

TEST_F(postgres_repository, a_database_of_a_later_program_is_refused) {
    store.sql("UPDATE schema_version SET version = 99");
    const auto r = store.make()->open();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "database_too_new");
}

TEST_F(postgres_repository, replicas_that_start_together_make_one_schema) {
    store.sql("DROP TABLE schema_version, Outbox, Uploads, Videos, IdempotencyKeys");
    std::vector<std::thread> starting;
    std::atomic<int> opened = 0;
    for (int i = 0; i < 4; ++i) {
        starting.emplace_back([&] { opened += store.make()->open() ? 1 : 0; });
    }
    for (auto& t : starting) {
        t.join();
    }
    EXPECT_EQ(opened, 4);
    put(some_video());
}

TEST_F(postgres_repository, an_update_is_heard_once_by_each_replica_and_a_gap_is_told) {
    auto v = put(some_video());
    const auto other = store.make();
    std::vector<std::string> here;
    std::vector<std::string> there;
    int missed = 0;
    first->on_updated([&](const video_id& id) { here.push_back(id.value); });
    other->on_updated([&](const video_id& id) { there.push_back(id.value); });
    other->on_missed([&] { ++missed; });
    ASSERT_TRUE(other->open());
    wait_until([&] { return missed == 1; });  // it listens
    retitle(v);
    EXPECT_EQ(here, std::vector{v.id.value}) << "told before the answer";
    wait_until([&] { return !there.empty(); });
    EXPECT_EQ(there, std::vector{v.id.value});
    store.end_connections();
    wait_until([&] { return missed == 3; });  // it hears nothing; it listens again
    ++v.version;
    retitle(v);
    wait_until([&] { return there.size() == 2; });
    EXPECT_EQ(here.size(), 2u);
}

}  // namespace
}  // namespace vora::metadata
