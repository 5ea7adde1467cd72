#include "contracts/activities/media.hpp"
#include "libs/config/config.hpp"
#include "services/worker/app.hpp"
#include "services/worker/testing/media_bench.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <deque>
#include <filesystem>
#include <map>

namespace vora::worker {
namespace {

using namespace std::chrono_literals;
using durable::outcome;

// An engine that hands out what a test puts in, and keeps what comes back.
class fake_source final : public durable::activity_source {
 public:
    explicit fake_source(executor ex) : changed_(std::move(ex)) {}

    task<result<std::optional<durable::activity_task>>> poll(std::string queue) override {
        for (int n = 0; n < 20; ++n) {
            auto& waiting = waiting_[queue];
            if (!waiting.empty()) {
                auto next = std::move(waiting.front());
                waiting.pop_front();
                co_return std::optional(std::move(next));
            }
            co_await sleep_for(5ms);
        }
        co_return std::nullopt;
    }
    task<result<bool>> heartbeat(std::string, std::string details) override {
        beats.push_back(details);
        co_return cancel;
    }
    task<result<void>> complete(std::string token, outcome<std::string> answer) override {
        answers.emplace(token, std::move(answer));
        changed_.notify();
        co_return result<void>{};
    }

    template <class In, class Out>
    void add(const durable::activity_type<In, Out>& type, const In& in, const std::string& token) {
        durable::activity_task t;
        t.task_token = token;
        t.info.type = type.name;
        t.input = nlohmann::json(in).dump();
        t.heartbeat_timeout = 15s;
        t.start_to_close_timeout = 60s;
        waiting_[type.task_queue].push_back(std::move(t));
    }
    task<> wait_for(std::string token) {
        while (!answers.contains(token)) {
            co_await changed_.wait(100ms);
        }
    }

    std::map<std::string, outcome<std::string>> answers;
    std::vector<std::string> beats;
    bool cancel = false;

 private:
    std::map<std::string, std::deque<durable::activity_task>> waiting_;
    wake_signal changed_;
};

struct fake_free_space final : blob::free_space {
    task<blob::room> look(std::uint64_t) override { co_return left; }
    blob::room left = blob::room::ample;
};

struct app_bench {
    explicit app_bench(config c = {}) : source(bench.loop.executor()) {
        c.scratch_dir = bench.directory / "app-scratch";
        c.preset = c.preset.empty() ? "ultrafast" : c.preset;
        worker = std::make_unique<app>(bench.loop.executor(), bench.pool, bench.raw, bench.store,
                                       bench.store, bench.store, source, obs::logger(), metrics, c,
                                       &space);
        bench.loop.run_until_done(worker->start());
    }
    ~app_bench() {
        if (worker) {
            bench.loop.run_until_done(worker->stop());
        }
    }
    template <class In, class Out>
    outcome<Out> run(const durable::activity_type<In, Out>& type, const In& in) {
        const auto token = std::to_string(++number);
        source.add(type, in, token);
        bench.loop.run_until_done(source.wait_for(token));
        const auto& answer = source.answers.at(token);
        if (!answer) {
            return std::unexpected(answer.error());
        }
        return nlohmann::json::parse(*answer).template get<Out>();
    }

    media_bench bench;
    fake_source source;
    fake_free_space space;
    obs::metrics metrics;
    std::unique_ptr<app> worker;
    int number = 0;
};

const std::string clip_words =
    "-f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p ";

TEST(worker_app, serves_all_four_activities) {
    app_bench a;
    EXPECT_TRUE(a.worker->ready().ready);
    EXPECT_FALSE(a.worker->ready().ffmpeg_version.empty());
    a.bench.make("u/a.mp4", clip_words);
    auto facts = a.run(contracts::probe, {"id", "u/a.mp4", {}});
    ASSERT_TRUE(facts) << facts.error().type;
    contracts::encode_input in;
    in.video_id = "id";
    in.source_key = "u/a.mp4";
    in.output_prefix = "id/";
    in.plan = a.bench.plan(*facts, {"320x240"});
    auto made = a.run(contracts::encode, in);
    ASSERT_TRUE(made) << made.error().type;
    ASSERT_TRUE(a.run(contracts::publish, {"id", "id/", made->renditions}));
    EXPECT_TRUE(std::filesystem::exists(a.bench.processed("id/master.m3u8")));
    ASSERT_TRUE(a.run(contracts::cleanup, {"id/"}));
    EXPECT_EQ(a.bench.files_in("processed"), 0u);
    EXPECT_NE(a.metrics.expose().find("vora_worker_frames_total 50"), std::string::npos);
    EXPECT_NE(a.metrics.expose().find("vora_worker_encodes_running 0"), std::string::npos);
}

TEST(worker_app, reports_failures_with_code_and_finality) {
    app_bench a;
    a.bench.put("u/text", "no film");
    auto facts = a.run(contracts::probe, {"id", "u/text", {}});
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().type, "input_not_video");
    EXPECT_TRUE(facts.error().non_retryable);
    EXPECT_EQ(facts.error().message.find('/'), std::string::npos) << "a detail names no path";
    EXPECT_NE(a.metrics.expose().find("code=\"input_not_video\""), std::string::npos);
}

TEST(worker_app, is_not_ready_without_ffmpeg_and_says_so_as_a_crash) {
    config c;
    c.ffmpeg = "/nonexistent/ffmpeg";
    app_bench a(c);
    EXPECT_FALSE(a.worker->ready().ready);
    a.bench.make("u/a.mp4", clip_words);
    auto facts = a.run(contracts::probe, {"id", "u/a.mp4", {}});
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().type, "encoder_crashed");
    EXPECT_FALSE(facts.error().non_retryable);
}

TEST(worker_app, stops_an_encode_at_once_and_leaves_nothing) {
    config c;
    c.preset = "veryslow";
    app_bench a(c);
    a.bench.make("u/a.mp4",
                 "-f lavfi -i testsrc2=s=1280x720:r=25:d=30 -c:v libx264 -preset ultrafast "
                 "-pix_fmt yuv420p ");
    auto facts = a.run(contracts::probe, {"id", "u/a.mp4", {}});
    ASSERT_TRUE(facts);
    contracts::encode_input in;
    in.source_key = "u/a.mp4";
    in.output_prefix = "id/";
    in.plan = a.bench.plan(*facts, {"1280x720"});
    a.source.add(contracts::encode, in, "slow");
    a.source.beats.clear();
    const auto encoding = [](fake_source& s) -> task<> {
        while (s.beats.empty() || s.beats.back().find("encoding") == std::string::npos) {
            co_await sleep_for(5ms);
        }
    };
    a.bench.loop.run_until_done(encoding(a.source));
    a.bench.loop.run_until_done(a.worker->stop());
    a.worker.reset();
    ASSERT_TRUE(a.source.answers.contains("slow"));
    EXPECT_TRUE(!a.source.answers.at("slow") && a.source.answers.at("slow").error().is_cancelled());
    a.bench.pool.join();
    EXPECT_EQ(a.bench.files_in("app-scratch"), 0u);
    EXPECT_EQ(a.bench.files_in("processed"), 0u);
}

TEST(worker_config, binds_its_keys) {
    config c;
    vora::config::schema s;
    c.bind(s);
    ASSERT_TRUE(s.set("media.ffmpeg", "/opt/ffmpeg", "flag"));
    ASSERT_TRUE(s.set("worker.concurrency", "3", "flag"));
    EXPECT_EQ(c.ffmpeg, "/opt/ffmpeg");
    EXPECT_EQ(c.concurrency, 3);
    EXPECT_FALSE(s.set("worker.concurrency", "0", "flag"));
}

TEST(worker_app, an_encode_waits_while_the_disk_is_nearly_full_and_says_so) {
    app_bench a;
    a.bench.make("u/a.mp4", clip_words);
    auto facts = a.run(contracts::probe, {"id", "u/a.mp4", {}});
    ASSERT_TRUE(facts) << facts.error().type;
    contracts::encode_input in;
    in.video_id = "id";
    in.source_key = "u/a.mp4";
    in.output_prefix = "id/";
    in.plan = a.bench.plan(*facts, {"320x240"});
    a.space.left = blob::room::low;
    a.source.add(contracts::encode, in, "waiting");
    const auto told = [&]() -> task<> {
        while (a.source.beats.empty() ||
               a.source.beats.back().find("waiting_for_disk_space") == std::string::npos) {
            co_await sleep_for(5ms);
        }
    };
    a.bench.loop.run_until_done(told());
    EXPECT_FALSE(a.source.answers.contains("waiting"));
    EXPECT_NE(a.metrics.expose().find("vora_worker_encodes_waiting_for_disk 1"), std::string::npos);
    a.space.left = blob::room::ample;
    a.bench.loop.run_until_done(a.source.wait_for("waiting"));
    EXPECT_TRUE(a.source.answers.at("waiting").has_value());
}

}  // namespace
}  // namespace vora::worker
