// The spill on a real broker, each test on a topic of its own.

#include "services/analytics/adapters/kafka/kafka_spill.hpp"
#include "services/analytics/core/bytes.hpp"
#include "services/analytics/core/row_binary.hpp"
#include "services/analytics/testing/analytics_fixture.hpp"

namespace vora::analytics {
namespace {

using testing::event_json;
using testing::events_json;

kafka_options broker() {
    const char* address = std::getenv("VORA_TEST_KAFKA");
    if (address == nullptr) {
        throw std::runtime_error(
            "VORA_TEST_KAFKA is not set: run by tools.stack.with_servers kafka");
    }
    kafka_options o;
    o.brokers = address;
    o.topic = "events-" + random_hex(8);
    o.group = o.topic;
    // A machine that stands still for a while throws nobody out.
    o.properties = "fetch.wait.max.ms=50,session.timeout.ms=45000";
    return o;
}

class kafka_analytics : public testing::analytics_fixture {
 protected:
    kafka_analytics() {
        patience_ = 60s;
        spill_ = [this](const spill_parts& p) {
            auto spill =
                std::make_unique<kafka_spill>(p.ex, p.clock, p.books, p.log, *metrics_, options_);
            kafka_ = spill.get();
            return spill;
        };
    }
    double delivered() const { return metric("vora_analytics_events_delivered_total"); }
    double consumed() const { return metric("vora_analytics_events_consumed_total"); }
    bool drained() {
        return eventually([this] { return spooled() == 0 && consumed() == delivered(); });
    }
    void expect_books_in_order() const {
        double sum = stored() + spooled() + delivered();
        for (const auto reason : drop_reason_names) {
            sum += dropped(std::string(reason));
        }
        EXPECT_EQ(accepted() + consumed(), sum);
    }
    void send_raw(const std::string& value) {
        auto producer = kafka_producer::open(options_);
        ASSERT_TRUE(producer);
        ASSERT_TRUE((*producer)->send(value, 1));
        EXPECT_TRUE(eventually([&] { return !(*producer)->poll(10ms).deliveries.empty(); }));
    }

    kafka_options options_ = broker();
    const kafka_spill* kafka_ = nullptr;
};

TEST_F(kafka_analytics, an_event_is_answered_when_the_topic_has_it_and_then_stored) {
    start();
    for (std::uint64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    EXPECT_EQ(accepted(), 100);
    expect_books_in_order();
    ASSERT_TRUE(drained());
    expect_stored_once(0, 100);
    EXPECT_EQ(stored(), 100);
    EXPECT_TRUE(eventually([&] { return metric("vora_analytics_kafka_partitions") == 3; }));
    EXPECT_TRUE(eventually([&] { return metric("vora_analytics_kafka_lag_messages") == 0; }));
    expect_books_in_order();
    const auto health = loop_.run_until_done(kafka_->check(pool_));
    ASSERT_TRUE(health) << health.error().detail;
    EXPECT_EQ(*health, "3 partitions");
}

TEST_F(kafka_analytics, events_wait_in_the_topic_while_there_is_no_engine_and_over_a_restart) {
    engine_there_ = false;
    start();
    for (std::uint64_t i = 0; i < 30; ++i) {
        EXPECT_EQ(post(events_json(i, i + 1)), 204);
    }
    EXPECT_TRUE(eventually([this] { return delivered() == 30; }));
    EXPECT_EQ(stored(), 0);
    stop();
    engine_there_ = true;
    engine_.cut_after_storing = 1;
    engine_.store_then_fail = 1;
    start();
    ASSERT_TRUE(eventually([this] { return consumed() == 30; }));
    expect_stored_once(0, 30);
    EXPECT_EQ(stored(), 30);
    expect_books_in_order();
    stop();
    start();
    EXPECT_EQ(post(events_json(30, 31)), 204);
    ASSERT_TRUE(eventually([this] { return engine_.stored.contains(30); }));
    expect_stored_once(0, 31);
}

TEST_F(kafka_analytics, poison_rows_and_foreign_messages_are_dropped_alone) {
    engine_there_ = false;
    engine_.poison = "poison";
    start();
    const std::set<std::uint64_t> poisoned{3, 4, 17};
    for (std::uint64_t i = 0; i < 24; i += 4) {
        std::string body;
        for (auto j = i; j < i + 4; ++j) {
            body +=
                (body.empty() ? "" : ",") + event_json(j, poisoned.contains(j) ? "poison" : "good");
        }
        EXPECT_EQ(post("{\"events\":[" + body + "]}"), 204);
    }
    send_raw("not a record");
    engine_there_ = true;
    ASSERT_TRUE(eventually([this] { return consumed() == 25; })) << metrics_->expose();
    EXPECT_EQ(stored(), 21);
    EXPECT_EQ(dropped("quarantined"), 3);
    EXPECT_EQ(dropped("damaged"), 1);
    expect_books_in_order();
    for (std::uint64_t i = 0; i < 24; ++i) {
        EXPECT_EQ(engine_.stored[i], poisoned.contains(i) ? 0 : 1) << i;
    }
}

// More than one batch in each partition: none may be forgotten while it is another one's turn.
TEST_F(kafka_analytics, batches_keep_to_their_size_and_take_turns) {
    engine_there_ = false;
    auto c = quick();
    c.batch_rows = 7;
    start(c);
    for (std::uint64_t i = 0; i < 40; ++i) {
        EXPECT_EQ(post(events_json(5 * i, 5 * i + 5)), 204);
    }
    engine_there_ = true;
    ASSERT_TRUE(eventually([this] { return consumed() >= 200; })) << metrics_->expose();
    expect_stored_once(0, 200);
    EXPECT_EQ(engine_.largest_insert, 7u);
    expect_books_in_order();
}

TEST_F(kafka_analytics, without_brokers_events_wait_in_bounded_memory_and_new_ones_are_dropped) {
    options_.brokers = "127.0.0.1:1";
    options_.queue_bytes = 16 << 10;
    start();
    std::uint64_t sent = 0;
    while (dropped("spool_full") == 0) {
        ASSERT_LT(sent, 1000u);
        EXPECT_EQ(post(events_json(sent, sent + 5)), 204);
        sent += 5;
        expect_books_in_order();
    }
    EXPECT_GT(spooled(), 50);
    EXPECT_EQ(spooled() + dropped("spool_full"), static_cast<double>(sent));
    stop();
    EXPECT_EQ(spooled(), 0);
    EXPECT_EQ(dropped("spool_error") + dropped("spool_full"), static_cast<double>(sent));
}

// What ClickHouse is to the drain: rows of one token are stored once.
class table {
 public:
    void insert(const event_batch& b) {
        const auto [known, is_new] = batches_.emplace(b.token, b.bytes);
        ASSERT_EQ(known->second, b.bytes) << "the same token, other rows: " << b.token;
        for (std::string_view rest = b.bytes; is_new && !rest.empty();) {
            std::size_t at = 8;
            for (int text = 0; text < 4; ++text) {
                at += 1 + static_cast<unsigned char>(rest[at]);
            }
            ++rows_[u64_at(rest, at)];
            rest.remove_prefix(row_length(rest).value());
        }
    }
    void expect_once(std::uint64_t from, std::uint64_t to) const {
        for (auto i = from; i < to; ++i) {
            EXPECT_EQ(rows_.contains(i) ? rows_.at(i) : 0, 1) << i;
        }
    }
    std::size_t size() const { return rows_.size(); }

 private:
    std::map<std::string, std::string> batches_;
    std::map<std::uint64_t, int> rows_;
};

std::string row(std::uint64_t seq) {
    event e;
    e.video_id = "v";
    e.event_type = "play";
    e.seq = seq;
    std::string bytes;
    append_row(bytes, e);
    return bytes;
}

// A spill by itself; the test is its drain.
struct member {
    member(event_loop& loop, const kafka_options& o)
        : spill(loop.executor(), clock, books, obs::logger(), metrics, o) {
        loop.run_until_done(spill.start());
    }
    system_clock_source clock;
    ledger books;
    obs::metrics metrics;
    kafka_spill spill;
};

class kafka_members : public ::testing::Test {
 protected:
    void append(member& m, std::uint64_t from, std::uint64_t to) {
        for (auto i = from; i < to; ++i) {
            loop_.run_until_done(m.spill.append(row(i), 1));
        }
    }
    std::optional<event_batch> next_now(member& m) {
        auto batch = loop_.run_until_done(m.spill.next(50'000));
        return batch ? std::move(*batch) : std::nullopt;  // an error: tried again
    }
    // Empty after a minute.
    event_batch next(member& m) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (std::chrono::steady_clock::now() < deadline) {
            if (auto batch = next_now(m)) {
                return std::move(*batch);
            }
            loop_.run_until_done(m.spill.wait(50ms));
        }
        ADD_FAILURE() << "no batch";
        return {};
    }
    void settle(member& m, const event_batch& b) {
        table_.insert(b);
        loop_.run_until_done(m.spill.acknowledge(b));
    }
    void stop(member& m) { loop_.run_until_done(m.spill.stop()); }

    event_loop loop_;
    kafka_options options_ = broker();
    table table_;
};

TEST_F(kafka_members, a_batch_that_was_stored_and_not_acknowledged_comes_again_as_it_was) {
    auto first = std::make_unique<member>(loop_, options_);
    append(*first, 0, 20);
    const auto stored = next(*first);
    table_.insert(stored);
    append(*first, 20, 40);  // what comes later does not change it
    stop(*first);
    member second(loop_, options_);
    std::map<std::string, int> seen;
    while (table_.size() < 40 || !seen.contains(stored.token)) {
        const auto batch = next(second);
        ASSERT_FALSE(batch.token.empty());
        ++seen[batch.token];
        settle(second, batch);
    }
    EXPECT_EQ(seen[stored.token], 1);
    table_.expect_once(0, 40);
    EXPECT_EQ(second.books.now().stored, 40u);
    stop(second);
}

TEST_F(kafka_members, members_share_the_partitions_and_no_batch_is_stored_twice_while_they_move) {
    auto a = std::make_unique<member>(loop_, options_);
    append(*a, 0, 30);
    const auto held = next(*a);  // its partition may move away under it
    auto b = std::make_unique<member>(loop_, options_);
    std::uint64_t sent = 30;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    const auto both_have_some = [&] {
        return a->spill.partitions() > 0 && b->spill.partitions() > 0;
    };
    while (!both_have_some() && std::chrono::steady_clock::now() < deadline) {
        if (auto batch = next_now(*b)) {
            settle(*b, *batch);
        }
        loop_.run_until_done(b->spill.wait(50ms));
    }
    ASSERT_TRUE(both_have_some());
    settle(*a, held);
    for (; sent < 60; ++sent) {
        append(sent % 2 == 0 ? *a : *b, sent, sent + 1);
    }
    stop(*a);  // all moves again, to b
    a.reset();
    while (table_.size() < 60 && std::chrono::steady_clock::now() < deadline) {
        settle(*b, next(*b));
    }
    table_.expect_once(0, 60);
    stop(*b);
}

TEST_F(kafka_members, stopping_sends_what_waits) {
    member m(loop_, options_);
    task_group requests(loop_.executor());
    for (std::uint64_t i = 0; i < 50; ++i) {
        requests.spawn(m.spill.append(row(i), 1));
    }
    stop(m);
    loop_.run_until_done(requests.join());
    EXPECT_EQ(m.books.now().accepted, 50u);
    EXPECT_EQ(m.books.now().handed_over, 50u);
    EXPECT_EQ(m.books.now().spooled, 0u);
}

TEST(kafka_options, words_that_librdkafka_does_not_take_are_refused) {
    kafka_options o;
    o.brokers = "127.0.0.1:1";
    EXPECT_TRUE(check_kafka_options(o));
    o.properties = "security.protocol=sasl_ssl,sasl.username=vora,sasl.password=secret";
    EXPECT_TRUE(check_kafka_options(o));
    for (const auto* wrong : {"nonsense=1", "linger.ms=soon", "=1", "linger.ms", "acks=0",
                              "enable.auto.commit=true", "group.id=x"}) {
        o.properties = wrong;
        EXPECT_FALSE(check_kafka_options(o)) << wrong;
    }
    o.properties = "sasl.mechanisms.x=secret";
    const auto refused = check_kafka_options(o);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace vora::analytics
