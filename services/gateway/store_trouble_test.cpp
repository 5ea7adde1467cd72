// A thousand viewers at once, and a store that fails under them, as clients see it.
#include "services/gateway/testing/gateway_fixture.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace vora::gateway::testing {
namespace {

class store_trouble : public gateway_fixture {
 public:
    struct seen {
        int right = 0;
        int refused = 0;  // with this status:
        int status = 0;
        int cut = 0;
    };

    task<> watch(std::string path, seen& s) {
        net::client_request request;
        request.url = "http://" + front_->address() + path;
        request.deadline = 120s;
        auto a = co_await client_->send(std::move(request));
        if (!a) {
            ++s.cut;
        } else if (a->status != 200) {
            ++s.refused;
            s.status = a->status;
        } else if (a->body == segment_) {
            ++s.right;
        }
    }

    // So many of them, all waiting for the store when `then` is called.
    seen watch_all(int viewers, const std::string& path, const std::function<void()>& then) {
        seen s;
        store_->hangs = true;
        task_group all(loop_.executor());
        for (int i = 0; i < viewers; ++i) {
            all.spawn(watch(path, s));
        }
        const auto all_wait = [](store_trouble& t, int n) -> task<> {
            while (t.metric("vora_gateway_cache_total{event=\"joined\"}") < n - 1) {
                co_await sleep_for(5ms);
            }
        };
        loop_.run_until_done(all_wait(*this, viewers));
        then();
        store_->release();
        loop_.run_until_done(all.join());
        return s;
    }

    // A thousand viewers have two thousand sockets here.
    static bool may_open(rlim_t files) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, files));
        ::setrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur >= files;
    }

    void start_patient() {
        config c;
        c.store_deadline_ms = 60'000;
        start(c);
    }
    const std::string path_ = "/play/public/" + public_id + "/720p/seg_01.ts";
};

TEST_F(store_trouble, a_thousand_viewers_of_a_cold_segment_cost_one_store_read) {
    if (!may_open(2200)) {
        GTEST_SKIP() << "this process may not open 2200 files (ulimit -n)";
    }
    start_patient();
    store_->fails_when_back = false;
    const auto s = watch_all(1000, path_, [] {});
    EXPECT_EQ(s.right, 1000);
    EXPECT_EQ(store_->opens, 1);
    EXPECT_EQ(store_->calls, 1);
    EXPECT_EQ(metadata_asked_, 1);
    EXPECT_EQ(metric("vora_gateway_store_reads_total"), 1);
    EXPECT_EQ(metric("vora_gateway_cache_total{event=\"miss\"}"), 1);
    EXPECT_EQ(metric("vora_gateway_cache_total{event=\"joined\"}"), 999);
    EXPECT_TRUE(get(path_).body == segment_);
    EXPECT_EQ(metric("vora_gateway_cache_total{event=\"hit\"}"), 1);
    EXPECT_EQ(metric("vora_gateway_store_reads_total"), 1);
    EXPECT_EQ(metric("vora_gateway_sent_bytes_total"),
              1001.0 * static_cast<double>(segment_.size()));
}

TEST_F(store_trouble, a_dead_store_is_asked_once_for_all_who_wait_and_all_get_504) {
    start_patient();
    const auto s = watch_all(200, path_, [] {});
    EXPECT_EQ(s.refused, 200);
    EXPECT_EQ(s.status, 504);
    EXPECT_EQ(store_->opens, 1);
    EXPECT_EQ(metric("vora_gateway_store_timeouts_total"), 200);
    EXPECT_EQ(metric("vora_gateway_store_errors_total{reason=\"error\"}"), 1);
    EXPECT_TRUE(get(path_).body == segment_);
}

TEST_F(store_trouble, a_store_that_breaks_off_in_the_middle_is_healed_unseen) {
    start_patient();
    store_->fails_when_back = false;
    const auto s = watch_all(20, path_, [&] { store_->breaks_off_after = 110'000; });
    EXPECT_EQ(s.right, 20);
    EXPECT_EQ(store_->opens, 3);
    EXPECT_EQ(metric("vora_gateway_cache_total{event=\"resumed\"}"), 2);
    EXPECT_EQ(metric("vora_gateway_cut_answers_total"), 0);
}

TEST_F(store_trouble, bytes_of_another_object_are_never_added_and_nobody_takes_the_rest_for_whole) {
    start_patient();
    store_->fails_when_back = false;
    const auto s = watch_all(20, path_, [&] {
        store_->breaks_off_after = 110'000;
        store_->other_object_from = 2;
    });
    EXPECT_EQ(s.right, 0);
    EXPECT_EQ(s.cut + s.refused, 20);
    EXPECT_EQ(metric("vora_gateway_cache_bytes"), 0);
    store_->breaks_off_after.reset();
    store_->other_object_from = 0;
    EXPECT_TRUE(get(path_).body == segment_);
}

TEST_F(store_trouble, a_body_that_stalls_is_cut_in_time) {
    config c;
    c.store_read_deadline_ms = 50;
    c.store_deadline_ms = 50;
    start(c);
    store_->body_hangs = true;
    const auto began = std::chrono::steady_clock::now();
    const auto r = loop_.run_until_done(send_later(path_));
    EXPECT_FALSE(r) << "never a short 200";
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    EXPECT_GE(metric("vora_gateway_store_errors_total{reason=\"timeout\"}"), 1);
    store_->release();
    EXPECT_TRUE(get(path_).body == segment_);
}

TEST_F(store_trouble, a_thousand_different_objects_stay_within_the_memory) {
    config c;
    c.cache_bytes = 2 << 20;
    start(c);
    const std::string other(10'000, 'y');
    for (int i = 0; i < 300; ++i) {
        const auto name = "/720p/seg_" + std::to_string(i + 100) + ".ts";
        put(unready_id + name, other);
    }
    set_video(unready_id, true, true);
    videos_[unready_id].replace(videos_[unready_id].find("\"segments\":3"), 12, "\"segments\":0");
    auto& text = videos_[unready_id];
    for (auto at = text.find("\"segments\":3"); at != text.npos; at = text.find("\"segments\":3")) {
        text.replace(at, 12, "\"segments\":0");
    }
    for (int i = 0; i < 300; ++i) {
        const auto r =
            get("/play/public/" + unready_id + "/720p/seg_" + std::to_string(i + 100) + ".ts");
        ASSERT_EQ(r.status, 200);
        ASSERT_TRUE(r.body == other);
        ASSERT_LE(metric("vora_gateway_cache_bytes"), 2 << 20);
    }
    EXPECT_GT(metric("vora_gateway_cache_total{event=\"evicted\"}"), 90);
}

}  // namespace
}  // namespace vora::gateway::testing
