#include "services/analytics/testing/analytics_fixture.hpp"

#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <random>

namespace vora::analytics {
namespace {

namespace fs = std::filesystem;
using testing::event_json;
using testing::events_json;

std::string one(std::uint64_t seq) {
    return events_json(seq, seq + 1);
}

net::headers type(const std::string& value) {
    net::headers h;
    if (!value.empty()) {
        h.set("Content-Type", value);
    }
    return h;
}

void overwrite(const fs::path& file, std::uint64_t at, char byte) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<std::streamoff>(at));
    f.put(byte);
}

class analytics : public testing::analytics_fixture {
 protected:
    bool all_stored() { return spooled() == 0; }
    bool drained() {
        return eventually([this] { return all_stored(); });
    }
};

TEST_F(analytics, an_event_is_answered_and_then_stored) {
    start();
    EXPECT_EQ(post(events_json(0, 3)), 204);
    EXPECT_EQ(accepted(), 3);
    ASSERT_TRUE(drained());
    expect_stored_once(0, 3);
    EXPECT_EQ(stored(), 3);
    expect_balanced();
}

TEST_F(analytics, the_endpoint_answers_as_its_contract_says) {
    start();
    struct row {
        std::string method, type, body;
        int status;
        std::string code;
    };
    const row table[] = {
        {"POST", "application/json", one(1), 204, ""},
        {"POST", "application/json; charset=utf-8", one(2), 204, ""},
        {"POST", "text/plain;charset=UTF-8", one(3), 204, ""},
        {"POST", "Text/Plain", R"({"events":[]})", 204, ""},
        {"POST", "application/json", R"({"events":[{}]})", 204, ""},
        {"POST", "application/json", "hello", 400, "not_json"},
        {"POST", "application/json", "[]", 400, "not_events"},
        {"POST", "application/json", std::string(64 * 1024 + 1, ' '), 413, "body_too_large"},
        {"POST", "application/json", events_json(0, 501), 413, "too_many_events"},
        {"POST", "application/jsonx", one(4), 415, "unsupported_content_type"},
        {"POST", "application/cmcd", one(4), 415, "unsupported_content_type"},
        {"POST", "", one(4), 415, "unsupported_content_type"},
    };
    for (const auto& [method, content_type, body, status, code] : table) {
        const auto r = send(method, body, type(content_type));
        EXPECT_EQ(r.status, status) << content_type << body.substr(0, 40);
        EXPECT_EQ(r.headers.get("Access-Control-Allow-Origin"), "*");
        EXPECT_EQ(r.headers.count("Access-Control-Allow-Credentials"), 0u);
        EXPECT_EQ(r.headers.get("Content-Type").value_or(""),
                  code.empty() ? "" : "application/problem+json");
        EXPECT_NE(r.body.find("\"code\":\"" + code), code.empty() ? 0 : std::string::npos);
    }
    auto gzip = type("application/json");
    gzip.set("Content-Encoding", "gzip");
    EXPECT_EQ(send("POST", one(5), gzip).status, 415);
    EXPECT_EQ(send("GET", "", {}).status, 405);
    EXPECT_EQ(accepted(), 4);
    EXPECT_EQ(dropped("bad_type"), 1);
}

TEST_F(analytics, a_preflight_is_answered_for_a_day) {
    start();
    const auto r = send("OPTIONS", "", {});
    EXPECT_EQ(r.status, 204);
    EXPECT_EQ(r.headers.get("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(r.headers.get("Access-Control-Allow-Methods"), "POST");
    EXPECT_EQ(r.headers.get("Access-Control-Allow-Headers"), "Content-Type");
    EXPECT_EQ(r.headers.get("Access-Control-Max-Age"), "86400");
}

TEST_F(analytics, events_wait_on_disk_while_there_is_no_engine) {
    engine_there_ = false;
    start();
    for (std::uint64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(post(one(i)), 204);
    }
    EXPECT_EQ(spooled(), 20);
    expect_balanced();
    engine_there_ = true;
    ASSERT_TRUE(drained());
    expect_stored_once(0, 20);
    EXPECT_LE(engine_.inserts, 3);  // not one by one
}

TEST_F(analytics, what_an_earlier_run_left_is_stored_once_and_the_books_go_on) {
    start();
    EXPECT_EQ(post(events_json(0, 5)), 204);
    EXPECT_EQ(post(R"({"events":[{}]})"), 204);
    ASSERT_TRUE(drained());
    engine_there_ = false;
    EXPECT_EQ(post(events_json(5, 9)), 204);
    stop();
    engine_there_ = true;
    start();
    EXPECT_TRUE(eventually([this] { return stored() == 9; }));
    expect_stored_once(0, 9);
    EXPECT_EQ(accepted(), 10);
    EXPECT_EQ(dropped("bad_type"), 1);
    EXPECT_EQ(post(one(9)), 204);
    ASSERT_TRUE(drained());
    expect_stored_once(9, 10);
    expect_balanced();
}

TEST_F(analytics, stopping_stores_what_it_can) {
    auto c = quick();
    c.flush_ms = 60'000;
    start(c);
    EXPECT_EQ(post(one(0)), 204);
    stop();
    expect_stored_once(0, 1);
}

TEST_F(analytics, an_engine_that_stores_and_does_not_say_so_has_each_event_once) {
    start();
    engine_.cut_after_storing = 2;
    engine_.store_then_fail = 2;
    EXPECT_EQ(post(events_json(0, 50)), 204);
    ASSERT_TRUE(drained());
    EXPECT_GE(engine_.inserts, 5);
    expect_stored_once(0, 50);
    EXPECT_EQ(stored(), 50);
}

TEST_F(analytics, ingest_does_not_feel_an_engine_that_is_slow_or_dead) {
    start();
    engine_.delay = 60s;
    for (std::uint64_t i = 0; i < 30; ++i) {
        EXPECT_EQ(post(one(i)), 204);
    }
    EXPECT_EQ(stored(), 0) << "answered before the engine was";
    engine_.delay = 0ms;
    loop_.run_until_done(engine_.stop());
    EXPECT_EQ(post(one(30)), 204);
    engine_.start();
    ASSERT_TRUE(drained());
    expect_stored_once(0, 31);
}

TEST_F(analytics, errors_of_the_engine_are_waited_out) {
    for (const auto& [status, code] : {std::pair{500, 241}, {500, 243}, {503, 0}, {403, 516}}) {
        SCOPED_TRACE(code);
        engine_.stored.clear();
        engine_.tokens.clear();
        engine_.answer_status = status;
        engine_.answer_code = code;
        const int before = engine_.inserts;
        start();
        EXPECT_EQ(post(events_json(0, 10)), 204);
        ASSERT_TRUE(eventually([&] { return engine_.inserts >= before + 3; }));
        EXPECT_EQ(spooled(), 10);
        engine_.answer_status = 0;
        ASSERT_TRUE(drained());
        expect_stored_once(0, 10);
        stop();
        fs::remove_all(dir_);
    }
}

TEST_F(analytics, a_table_that_was_lost_is_made_again) {
    start();
    EXPECT_EQ(post(one(0)), 204);
    ASSERT_TRUE(drained());
    engine_.has_table = false;
    EXPECT_EQ(post(one(1)), 204);
    ASSERT_TRUE(drained());
    expect_stored_once(0, 2);
    EXPECT_EQ(dropped("quarantined"), 0);
}

TEST_F(analytics, poison_rows_go_to_quarantine_and_nothing_else_does) {
    engine_there_ = false;
    engine_.poison = "poison";
    start();
    std::set<std::uint64_t> poisoned{0, 17, 18, 63};
    std::string body;
    for (std::uint64_t i = 0; i < 64; ++i) {
        body += (body.empty() ? "" : ",") + event_json(i, poisoned.contains(i) ? "poison" : "good");
        if (i % 8 == 7) {
            EXPECT_EQ(post("{\"events\":[" + body + "]}"), 204);
            body.clear();
        }
    }
    engine_there_ = true;
    ASSERT_TRUE(drained());
    EXPECT_EQ(stored(), 60);
    EXPECT_EQ(dropped("quarantined"), 4);
    expect_balanced();
    for (std::uint64_t i = 0; i < 64; ++i) {
        EXPECT_EQ(engine_.stored[i], poisoned.contains(i) ? 0 : 1) << i;
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_ / "quarantine"), {}), 4);
    EXPECT_EQ(post(one(64)), 204);
    ASSERT_TRUE(drained());
    expect_stored_once(64, 65);
}

TEST_F(analytics, rows_travel_packed_where_the_configuration_says_so) {
    start();
    EXPECT_EQ(post(events_json(0, 100)), 204);
    ASSERT_TRUE(drained());
    EXPECT_EQ(engine_.packed_inserts, 0);
    stop();
    auto c = quick();
    c.compress = true;
    engine_.cut_after_storing = 1;  // the same packed bytes come again, under the same token
    start(c);
    EXPECT_EQ(post(events_json(100, 300)), 204);
    ASSERT_TRUE(eventually([&] { return stored() == 300; }));
    EXPECT_GE(engine_.packed_inserts, 2);
    expect_stored_once(0, 300);
}

TEST_F(analytics, the_search_for_poison_does_not_wait_for_company) {
    engine_there_ = false;
    start();
    EXPECT_EQ(post(events_json(0, 99)), 204);
    EXPECT_EQ(post("{\"events\":[" + event_json(99, "poison") + "]}"), 204);
    stop();
    engine_there_ = true;
    engine_.poison = "poison";
    auto c = quick();
    c.flush_ms = 60'000;
    start(c);  // what an earlier run left goes at once
    ASSERT_TRUE(eventually([&] { return stored() == 99 && dropped("quarantined") == 1; }));
    expect_stored_once(0, 99);
}

TEST_F(analytics, a_foreign_table_is_not_taken_for_poison) {
    engine_.foreign_table = true;
    start();
    EXPECT_EQ(post(events_json(0, 4)), 204);
    ASSERT_TRUE(eventually([&] { return metric("vora_analytics_insert_failures_total") >= 4; }));
    EXPECT_EQ(dropped("quarantined"), 0);
    EXPECT_EQ(spooled(), 4);
    engine_.foreign_table = false;
    ASSERT_TRUE(drained());
    expect_stored_once(0, 4);
}

TEST_F(analytics, batches_keep_to_their_size) {
    engine_there_ = false;
    auto c = quick();
    c.batch_rows = 7;
    start(c);
    EXPECT_EQ(post(events_json(0, 100)), 204);
    engine_there_ = true;
    ASSERT_TRUE(drained());
    EXPECT_EQ(engine_.largest_insert, 7u);
    EXPECT_EQ(engine_.inserts, 15);
    expect_stored_once(0, 100);
}

TEST_F(analytics, a_full_spool_drops_the_new_events_counts_them_and_recovers) {
    engine_there_ = false;
    auto c = quick();
    c.spool_max_bytes = 32 * 1024;
    start(c);
    std::uint64_t sent = 0;
    while (dropped("spool_full") == 0) {
        ASSERT_LT(sent, 1000u);
        EXPECT_EQ(post(events_json(sent, sent + 5)), 204);
        sent += 5;
        ASSERT_LE(spool_bytes(), 32u * 1024);
    }
    const auto kept = static_cast<std::uint64_t>(spooled());
    EXPECT_GT(kept, 100u);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(post(events_json(sent, sent + 5)), 204);
        expect_balanced();
    }
    EXPECT_EQ(spooled(), kept);
    EXPECT_EQ(dropped("spool_full"), 55);
    engine_there_ = true;
    ASSERT_TRUE(drained());
    expect_stored_once(0, kept);
    EXPECT_EQ(engine_.stored.size(), kept);
    // There is room again, and again, although the open file was full.
    for (std::uint64_t i = 0; i < 400; ++i) {
        ASSERT_EQ(post(events_json(10'000 + 5 * i, 10'005 + 5 * i)), 204);
        if (i % 20 == 19) {
            ASSERT_TRUE(drained());
        }
    }
    EXPECT_EQ(dropped("spool_full"), 55);
    expect_stored_once(10'000, 12'000);
    expect_balanced();
}

// The limit makes a write end midway, as a full disk does.
TEST_F(analytics, a_write_that_fails_midway_leaves_nothing_behind) {
    engine_there_ = false;
    start();
    EXPECT_EQ(post(events_json(0, 5)), 204);
    ASSERT_EQ(spooled(), 5);
    const auto before = spool_bytes();
    rlimit unlimited{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit tight{10'000, unlimited.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const int answered = post(events_json(100, 400));  // more than is left
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    EXPECT_EQ(answered, 204);
    EXPECT_EQ(dropped("spool_error"), 300);
    EXPECT_EQ(spool_bytes(), before);
    expect_balanced();
    EXPECT_EQ(post(events_json(5, 10)), 204);
    stop();
    engine_there_ = true;
    start();
    ASSERT_TRUE(eventually([this] { return stored() == 10; }));
    expect_stored_once(0, 10);
    EXPECT_EQ(engine_.stored.size(), 10u);
    EXPECT_EQ(accepted(), 310);
}

// A disk on which nothing can be written must still be drained: that is what makes room.
TEST_F(analytics, without_a_state_that_can_be_written_it_drains_all_the_same) {
    engine_there_ = false;
    start();
    EXPECT_EQ(post(events_json(0, 10)), 204);
    rlimit unlimited{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit nothing{1, unlimited.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &nothing), 0);
    engine_there_ = true;
    const bool all = drained();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    EXPECT_TRUE(all);
    expect_stored_once(0, 10);
    EXPECT_EQ(post(events_json(10, 20)), 204);
    ASSERT_TRUE(drained());
    stop();
    start();
    EXPECT_EQ(post(one(20)), 204);
    ASSERT_TRUE(eventually([this] { return engine_.stored.contains(20); }));
    expect_stored_once(0, 21);
}

TEST_F(analytics, drained_files_are_removed) {
    auto c = quick();
    c.segment_bytes = 4096;
    start(c);
    for (std::uint64_t i = 0; i < 100; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    ASSERT_TRUE(drained());
    EXPECT_TRUE(eventually([this] { return segments().size() <= 1; }));
    expect_stored_once(0, 500);
}

TEST_F(analytics, damage_loses_only_what_it_hits_and_says_how_much) {
    engine_there_ = false;
    start();
    for (std::uint64_t i = 0; i < 10; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    stop();
    ASSERT_EQ(segments().size(), 1u);
    const auto size = fs::file_size(segments()[0]);
    overwrite(segments()[0], size / 2, '\xee');
    engine_there_ = true;
    start();
    ASSERT_TRUE(eventually([this] { return stored() == 45; }));
    EXPECT_EQ(dropped("damaged"), 5);
    EXPECT_EQ(accepted(), 50);
    expect_balanced();
}

TEST_F(analytics, a_file_cut_short_loses_its_end_exactly_when_another_follows) {
    engine_there_ = false;
    auto c = quick();
    c.segment_bytes = 4096;
    start(c);
    for (std::uint64_t i = 0; i < 40; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    stop();
    ASSERT_GE(segments().size(), 3u);
    fs::resize_file(segments()[0], 1000);
    engine_there_ = true;
    start(c);
    ASSERT_TRUE(eventually([this] { return accepted() > 0 && all_stored(); }));
    EXPECT_EQ(accepted(), 200);
    EXPECT_EQ(stored() + dropped("damaged"), 200);
    EXPECT_GT(dropped("damaged"), 0);
    EXPECT_EQ(engine_.stored.size(), static_cast<std::size_t>(stored()));
    expect_balanced();
}

TEST_F(analytics, a_file_that_is_gone_does_not_stand_in_the_way) {
    engine_there_ = false;
    auto c = quick();
    c.segment_bytes = 4096;
    start(c);
    for (std::uint64_t i = 0; i < 40; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    fs::remove(segments()[1]);
    engine_there_ = true;
    ASSERT_TRUE(drained());
    EXPECT_EQ(accepted(), 200);
    EXPECT_GT(dropped("damaged"), 0);
    EXPECT_EQ(stored() + dropped("damaged"), 200);
    expect_balanced();
}

// Many starts on files with a random byte changed or the end cut off.
TEST_F(analytics, it_starts_on_whatever_lies_there) {
    engine_there_ = false;
    start();
    for (std::uint64_t i = 0; i < 6; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    stop();
    const fs::path kept = dir_.string() + "-kept";
    fs::copy(dir_, kept, fs::copy_options::recursive);
    engine_there_ = true;
    std::mt19937 dice(11);
    for (int round = 0; round < 60; ++round) {
        fs::remove_all(dir_);
        fs::copy(kept, dir_, fs::copy_options::recursive);
        engine_.stored.clear();
        engine_.tokens.clear();
        const auto file = dice() % 3 == 0 ? dir_ / "state" : segments()[0];
        const auto size = fs::file_size(file);
        if (dice() % 4 == 0) {
            fs::resize_file(file, dice() % size);
        } else {
            overwrite(file, dice() % size, static_cast<char>(dice()));
        }
        start();
        ASSERT_EQ(post(one(1000)), 204);
        ASSERT_TRUE(eventually([this] { return engine_.stored.contains(1000); })) << round;
        ASSERT_TRUE(drained()) << round;
        expect_balanced();
        for (const auto& [seq, times] : engine_.stored) {
            EXPECT_EQ(times, 1) << seq;
        }
        EXPECT_EQ(engine_.stored.size(), static_cast<std::size_t>(stored()));
        stop();
    }
    fs::remove_all(kept);
}

TEST_F(analytics, a_directory_that_cannot_be_used_costs_events_and_nothing_else) {
    std::ofstream(dir_) << "a file stands here";
    start();
    EXPECT_EQ(post(events_json(0, 3)), 204);
    EXPECT_EQ(dropped("spool_error"), 3);
    expect_balanced();
    fs::remove(dir_);
    EXPECT_EQ(post(events_json(3, 5)), 204);
    ASSERT_TRUE(eventually([this] { return stored() == 2; }));
    expect_stored_once(3, 5);
}

}  // namespace
}  // namespace vora::analytics
