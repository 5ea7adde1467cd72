// Several replicas of the service on one real database: relays and sweeps that work at once.

#include "services/metadata/adapters/durable_workflow_engine.hpp"
#include "services/metadata/core/outbox_relay.hpp"
#include "services/metadata/core/settler.hpp"
#include "services/metadata/testing/postgres_store.hpp"
#include "services/metadata/testing/video_repository_contract.hpp"

namespace vora::metadata {
namespace {

constexpr int videos_max = 12;

// Starts are held until the gate opens.
class gated_engine final : public workflow_engine {
 public:
    explicit gated_engine(executor ex) : arrived_(ex), opened_(std::move(ex)) {}

    task<result<void>> start_ingest(outbox_message m) override {
        started.push_back(m.video.value);
        arrived_.notify();
        if (!open_) {
            co_await opened_.wait(60s);
        }
        co_return result<void>{};
    }
    task<result<void>> start_delete(outbox_message) override { co_return result<void>{}; }
    task<result<void>> cancel_ingest(video_id, std::int64_t) override { co_return result<void>{}; }
    task<result<run_view>> describe_ingest(video_id, std::int64_t) override {
        co_return fail(errc::not_found, "no_such_workflow");
    }
    task<result<run_view>> describe_delete(video_id, std::int64_t) override {
        co_return fail(errc::not_found, "no_such_workflow");
    }

    task<> somebody_waits() {
        while (started.empty()) {
            co_await arrived_.wait(60s);
        }
    }
    void open() {
        open_ = true;
        opened_.notify();
    }

    std::vector<std::string> started;

 private:
    bool open_ = false;
    wake_signal arrived_;
    wake_signal opened_;
};

struct postgres_replicas : video_repository_contract<postgres_store> {
    fake_upload_service uploads;
    fake_durable_client engine;
    durable_workflow_engine workflows{engine, {}};

    // One replica's sweeps.
    struct sweeper {
        sweeper(postgres_replicas& t)
            : repository(t.store.open()),
              ends(
                  *repository, t.uploads, t.clock, [] {}, [] {}),
              sweeps(*repository, t.workflows, ends, t.clock) {}
        std::unique_ptr<sql_video_repository> repository;
        completion ends;
        settler sweeps;
    };

    // What the replicas report when they sweep at the same time, added up.
    template <class F>
    std::size_t changed_by(std::vector<std::unique_ptr<sweeper>>& all, F sweep) {
        std::size_t changed = 0;
        task_group together(loop.executor());
        for (auto& one : all) {
            together.spawn([](task<result<sweep_report>> t, std::size_t& sum) -> task<> {
                auto report = co_await std::move(t);
                EXPECT_TRUE(report) << report.error().detail;
                sum += report ? report->changed : 0;
            }(sweep(one->sweeps), changed));
        }
        run([](task_group& group) -> task<int> {
            co_await group.join();
            co_return 0;
        }(together));
        return changed;
    }
    std::vector<std::unique_ptr<sweeper>> three() {
        std::vector<std::unique_ptr<sweeper>> all;
        for (int i = 0; i < 3; ++i) {
            all.push_back(std::make_unique<sweeper>(*this));
        }
        return all;
    }
    video put_processing() {
        auto v = some_video();
        v.state = video_state::processing;
        return put(v);
    }
    void put_message(const video& v) {
        const auto m = message_of(v);
        ASSERT_TRUE(change([&](video_transaction& t) { return t.add_outbox(m); }));
    }
};

TEST_F(postgres_replicas, a_start_that_one_is_delivering_is_not_delivered_by_one_that_comes_up) {
    put_message(put_processing());
    gated_engine slow(loop.executor());
    gated_engine other(loop.executor());
    other.open();
    outbox_relay busy(*first, slow, clock);
    task_group running(loop.executor());
    running.spawn([](outbox_relay& relay) -> task<> {
        auto report = co_await relay.run_once();
        EXPECT_TRUE(report && report->sent == 1);
    }(busy));
    run([](gated_engine& e) -> task<int> {
        co_await e.somebody_waits();
        co_return 0;
    }(slow));
    const auto second = store.open();
    outbox_relay coming(*second, other, clock);
    ASSERT_TRUE(run(coming.recover()));
    EXPECT_EQ(run(coming.run_once()).value().sent, 0u);
    EXPECT_TRUE(other.started.empty());
    slow.open();
    run([](task_group& group) -> task<int> {
        co_await group.join();
        co_return 0;
    }(running));
    EXPECT_EQ(pending(), 0);
}

TEST_F(postgres_replicas, what_a_dead_one_was_delivering_goes_on_when_its_lease_ends) {
    put_message(put_processing());
    run(transact<claimed_messages>(*first, [now = clock.now()](video_transaction& t) {
        return t.claim_outbox(now, now + 15s, 5);
    })).value();
    const auto second = store.open();
    outbox_relay relay(*second, workflows, clock);
    ASSERT_TRUE(run(relay.recover()));
    EXPECT_EQ(run(relay.run_once()).value().sent, 0u);
    clock.advance(15s);
    EXPECT_EQ(run(relay.run_once()).value().sent, 1u);
    EXPECT_EQ(engine.started.size(), 1u);
}

TEST_F(postgres_replicas, a_run_that_failed_ends_its_video_once_however_many_sweep) {
    std::vector<video> all;
    for (int i = 0; i < videos_max; ++i) {
        all.push_back(put_processing());
        durable::run_description d;
        d.status = durable::run_status::terminated;
        engine.runs.emplace(ingest_workflow_id(all.back().id, 1), d);
    }
    auto replicas = three();
    EXPECT_EQ(changed_by(replicas, [](settler& s) { return s.settle_processing(); }),
              static_cast<std::size_t>(videos_max));
    for (const auto& v : all) {
        EXPECT_EQ(stored(v.id).state, video_state::failed);
        EXPECT_EQ(stored(v.id).version, v.version + 1);
    }
}

TEST_F(postgres_replicas, a_deletion_that_failed_is_started_again_once_however_many_sweep) {
    std::vector<video> all;
    for (int i = 0; i < videos_max; ++i) {
        auto v = some_video();
        v.deleting_at = clock.now();
        all.push_back(put(v));
        durable::run_description d;
        d.status = durable::run_status::failed;
        engine.runs.emplace(delete_workflow_id(v.id, 1), d);
    }
    clock.advance(1h);
    auto replicas = three();
    EXPECT_EQ(changed_by(replicas, [](settler& s) { return s.settle_deleting(); }),
              static_cast<std::size_t>(videos_max));
    EXPECT_EQ(pending(), videos_max);
    for (const auto& v : all) {
        EXPECT_EQ(stored(v.id).delete_attempt, 2);
    }
}

TEST_F(postgres_replicas, a_finished_upload_that_nobody_told_of_begins_one_run) {
    const auto v = put(some_video());
    uploads.put("a", v.id, upload_status::finished);
    uploads.put("b", v.id, upload_status::finished);
    auto replicas = three();
    changed_by(replicas, [](settler& s) { return s.settle_created(); });
    EXPECT_EQ(stored(v.id).state, video_state::processing);
    EXPECT_EQ(pending(), 1);
    int finished = 0;
    for (const auto& u : run(first->uploads_of(v.id)).value()) {
        finished += u.status == upload_status::finished ? 1 : 0;
    }
    EXPECT_EQ(finished, 1) << "the other one is surplus";
}

}  // namespace
}  // namespace vora::metadata
