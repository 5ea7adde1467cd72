// Objects in memory over a real directory, and over one that fails.
#include "services/gateway/core/object_cache.hpp"

#include "libs/base/crypto.hpp"
#include "libs/blob/file/file_store.hpp"
#include "services/gateway/testing/fakes.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace vora::gateway::testing {
namespace {

struct caching : ::testing::Test {
    static constexpr std::size_t object_bytes = 300'000;

    caching() {
        options.bytes_max = 1 << 20;
        options.object_bytes_max = 400'000;
        options.on_event = [this](cache_event e) { ++events[e]; };
        for (std::size_t i = 0; i < object_bytes; ++i) {
            bytes += static_cast<char>(i * 31 + i / 188);
        }
        for (const auto* key : {"a", "b", "c", "d"}) {
            put(key, key + bytes.substr(1));
        }
    }
    ~caching() override {
        stop();
        pool.join();
        std::filesystem::remove_all(dir);
    }

    void stop() {
        if (cache) {
            store.release();
            run(cache->stop());
            run(gate->stop());
        }
        cache.reset();
    }
    void start(milliseconds next_bytes = 10s) {
        stop();
        gate = std::make_unique<store_gate>(loop.executor(), store,
                                            store_options{2s, next_bytes, 512, {}});
        cache = std::make_unique<object_cache>(loop.executor(), *gate, options);
    }
    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    void put(const std::string& key, const std::string& content) {
        ASSERT_TRUE(run(files.put(key, content, blob::put_mode::create_only)));
    }
    std::unique_ptr<object_reader> open(const std::string& key) {
        auto opened = run(cache->open(key));
        EXPECT_TRUE(opened) << opened.error().reason;
        return opened ? std::move(*opened) : nullptr;
    }
    // What is left of it, or what went wrong.
    result<std::string> rest(object_reader& r) { return run(read_rest(r)); }
    static task<result<std::string>> read_rest(object_reader& r) {
        std::string all;
        std::string piece(50'000, '\0');
        for (;;) {
            auto n = co_await r.read(piece);
            if (!n) {
                co_return fail(n.error());
            }
            if (*n == 0) {
                co_return all;
            }
            all.append(piece, 0, *n);
        }
    }
    std::string some(object_reader& r, std::size_t n) {
        std::string piece(n, '\0');
        const auto got = run(r.read(piece));
        piece.resize(got.value_or(0));
        return piece;
    }
    std::string content(const std::string& key) const { return key + bytes.substr(1); }
    void read_whole(const std::string& key) {
        auto r = open(key);
        EXPECT_TRUE(rest(*r) == content(key)) << key;
    }

    event_loop loop;
    blocking_pool pool{2};
    std::filesystem::path dir =
        std::filesystem::temp_directory_path() / ("vora-cache-" + random_hex(8));
    blob::file_store files{dir, pool};
    fake_store store{loop.executor(), files};
    object_cache_options options;
    std::map<cache_event, int> events;
    std::string bytes;
    std::unique_ptr<store_gate> gate;
    std::unique_ptr<object_cache> cache;
};

TEST_F(caching, the_second_viewer_costs_no_reading) {
    start();
    read_whole("a");
    read_whole("a");
    EXPECT_EQ(store.opens, 1);
    EXPECT_EQ(events[cache_event::missed], 1);
    EXPECT_EQ(events[cache_event::hit], 1);
    EXPECT_EQ(cache->known("a")->size_bytes, object_bytes);
    EXPECT_FALSE(cache->known("b"));
}

TEST_F(caching, all_who_come_while_it_is_read_share_the_reading) {
    start();
    store.hangs = true;
    task_group viewers(loop.executor());
    int right = 0;
    const auto view = [](caching& t, int& n) -> task<> {
        auto opened = co_await t.cache->open("a");
        auto all = co_await read_rest(**opened);
        n += all && *all == t.content("a") ? 1 : 0;
    };
    for (int i = 0; i < 200; ++i) {
        viewers.spawn(view(*this, right));
    }
    const auto all_joined = [](caching& t) -> task<> {
        while (t.events[cache_event::joined] < 199) {
            co_await sleep_for(1ms);
        }
        t.store.hangs = false;
        t.store.release();
    };
    store.fails_when_back = false;
    run(all_joined(*this));
    run(viewers.join());
    EXPECT_EQ(right, 200);
    EXPECT_EQ(store.opens, 1);
}

TEST_F(caching, a_viewer_may_be_slow_while_others_finish_and_his_object_is_pushed_out) {
    start();
    auto slow = open("a");
    auto got = some(*slow, 10);
    read_whole("a");
    EXPECT_EQ(store.opens, 1);
    for (const auto* key : {"b", "c", "d"}) {
        read_whole(key);
        EXPECT_LE(cache->bytes(), options.bytes_max);
    }
    EXPECT_EQ(events[cache_event::evicted], 1);
    EXPECT_FALSE(cache->known("a"));
    const auto left = rest(*slow);
    ASSERT_TRUE(left) << left.error().reason;
    EXPECT_TRUE(got + *left == content("a")) << "from where he was, from the store";
    EXPECT_EQ(store.opens, 5);
}

TEST_F(caching, the_longest_unused_goes_first) {
    start();
    for (const auto* key : {"a", "b", "c", "a", "d"}) {
        read_whole(key);
    }
    EXPECT_TRUE(cache->known("a"));
    EXPECT_FALSE(cache->known("b"));
    EXPECT_TRUE(cache->known("c"));
    EXPECT_TRUE(cache->known("d"));
}

TEST_F(caching, a_part_is_sent_from_memory_and_begins_when_it_is_there) {
    start();
    for (int i = 0; i < 2; ++i) {
        auto r = open("a");
        ASSERT_TRUE(run(r->begin({200'000, 1000})));
        EXPECT_TRUE(*rest(*r) == bytes.substr(200'000, 1000));
    }
    EXPECT_EQ(store.opens, 1);
}

TEST_F(caching, what_is_too_large_passes_by_also_in_parts) {
    options.object_bytes_max = 100'000;
    start();
    read_whole("a");
    EXPECT_EQ(store.opens, 1) << "what was opened to see its size is used";
    auto r = open("a");
    ASSERT_TRUE(run(r->begin({299'990, 10})));
    EXPECT_EQ(*rest(*r), bytes.substr(299'990));
    EXPECT_EQ(cache->bytes(), 0u);
    EXPECT_EQ(events[cache_event::passed_by], 2);
}

TEST_F(caching, without_memory_every_viewer_reads_for_himself) {
    options.bytes_max = 0;
    start();
    read_whole("a");
    read_whole("a");
    EXPECT_EQ(store.opens, 2);
    EXPECT_EQ(cache->bytes(), 0u);
}

TEST_F(caching, what_is_still_being_read_is_not_pushed_out) {
    options.bytes_max = 500'000;
    options.object_bytes_max = 500'000;
    start();
    store.body_hangs = true;
    auto first = open("a");
    EXPECT_EQ(some(*first, 10), content("a").substr(0, 10));
    auto second = open("b");
    EXPECT_EQ(events[cache_event::passed_by], 1);
    EXPECT_EQ(cache->bytes(), object_bytes + 1024);
    store.release();
    EXPECT_TRUE(*rest(*second) == content("b"));
    EXPECT_TRUE(some(*first, 10) == bytes.substr(10, 10));
}

TEST_F(caching, a_store_that_breaks_off_is_asked_for_the_rest) {
    start();
    store.breaks_off_after = 120'000;
    read_whole("a");
    EXPECT_EQ(store.opens, 3);
    EXPECT_EQ(events[cache_event::resumed], 2);
    store.breaks_off_after.reset();
    read_whole("a");
    EXPECT_EQ(store.opens, 3) << "what was put together is kept";
}

TEST_F(caching, a_reading_past_the_memory_heals_too) {
    options.bytes_max = 0;
    start();
    store.breaks_off_after = 120'000;
    read_whole("a");
    EXPECT_EQ(store.opens, 3);
}

TEST_F(caching, a_rest_of_another_object_is_no_rest) {
    for (const auto most : {std::uint64_t{1 << 20}, std::uint64_t{0}}) {
        options.bytes_max = most;
        start();
        store.breaks_off_after = 120'000;
        store.other_object_from = store.opens + 2;
        auto r = open("a");
        const auto all = rest(*r);
        ASSERT_FALSE(all);
        EXPECT_EQ(all.error().reason, "object_changed");
        EXPECT_EQ(cache->bytes(), 0u) << "and nothing of it is kept";
        store.breaks_off_after.reset();
        store.other_object_from = 0;
        read_whole("a");
    }
}

TEST_F(caching, one_that_keeps_breaking_off_is_given_up) {
    start();
    store.breaks_off_after = 70'000;
    auto r = open("a");
    EXPECT_FALSE(rest(*r));
    EXPECT_EQ(store.opens, 3);
    EXPECT_EQ(cache->bytes(), 0u);
}

TEST_F(caching, a_body_that_stalls_ends_in_time_and_nobody_waits_for_it) {
    for (const auto most : {std::uint64_t{1 << 20}, std::uint64_t{0}}) {
        options.bytes_max = most;
        options.resumes_max = 0;
        start(50ms);
        store.body_hangs = true;
        auto r = open("a");
        const auto began = std::chrono::steady_clock::now();
        const auto all = rest(*r);
        ASSERT_FALSE(all);
        EXPECT_EQ(all.error().code, errc::deadline_exceeded);
        EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
        EXPECT_EQ(cache->bytes(), 0u);
        store.release();
        read_whole("a");
    }
}

TEST_F(caching, one_failure_is_told_to_all_who_wait_and_not_remembered) {
    start();
    store.failure = error{errc::unavailable, "connect_failed", {}};
    task_group viewers(loop.executor());
    int failed = 0;
    const auto view = [](caching& t, int& n) -> task<> {
        auto opened = co_await t.cache->open("a");
        n += opened ? 0 : 1;
    };
    for (int i = 0; i < 20; ++i) {
        viewers.spawn(view(*this, failed));
    }
    run(viewers.join());
    EXPECT_EQ(failed, 20);
    EXPECT_EQ(store.opens, 1);
    store.failure.reset();
    read_whole("a");
    const auto missing = run(cache->open("nothing"));
    EXPECT_EQ(missing.error().code, errc::not_found);
}

TEST_F(caching, a_viewer_who_leaves_stops_nothing) {
    start();
    store.hangs = true;
    store.fails_when_back = false;
    task_group viewers(loop.executor());
    const auto view = [](caching& t) -> task<> { auto opened = co_await t.cache->open("a"); };
    viewers.spawn(view(*this));
    const auto asked = [](caching& t) -> task<> {
        while (t.store.opens < 1) {
            co_await sleep_for(1ms);
        }
    };
    run(asked(*this));
    run(viewers.stop());
    store.release();
    read_whole("a");
    EXPECT_EQ(store.opens, 1);
}

TEST_F(caching, an_empty_object_is_one) {
    put("empty", "");
    start();
    for (int i = 0; i < 2; ++i) {
        auto r = open("empty");
        EXPECT_EQ(*rest(*r), "");
    }
    EXPECT_EQ(store.opens, 1);
}

}  // namespace
}  // namespace vora::gateway::testing
