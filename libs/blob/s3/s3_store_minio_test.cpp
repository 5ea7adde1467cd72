// The adapter against MinIO: the contract of the port, and a connection that misbehaves.

#include "libs/blob/blob_contract.hpp"
#include "libs/blob/s3/s3_fixture.hpp"
#include "libs/blob/s3/s3_store.hpp"
#include "libs/obs/metrics.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vora::blob {
namespace {

using namespace std::chrono_literals;

s3_options minio() {
    const auto value = [](const char* name) {
        const char* text = std::getenv(name);
        if (text == nullptr) {
            throw std::runtime_error(std::string(name) +
                                     " is not set: run by tools.stack.with_servers minio");
        }
        return std::string(text);
    };
    s3_options o;
    o.endpoint = value("VORA_TEST_S3_URL");
    o.access_key = value("VORA_TEST_S3_ACCESS_KEY");
    o.secret_key = value("VORA_TEST_S3_SECRET_KEY");
    o.bucket = "blob-" + random_hex(8);
    o.attempt_deadline = 60s;
    o.call_deadline = 120s;
    o.stall = 60s;
    return o;
}

template <class T>
T or_throw(result<T> r) {
    if (!r) {
        throw std::runtime_error(r.error().reason + ": " + r.error().detail);
    }
    return std::move(*r);
}

class s3_bucket_on_minio {
 public:
    explicit s3_bucket_on_minio(s3_options o = minio())
        : store_(or_throw(s3_store::make(loop_.executor(), pool_, clock_, std::move(o)))) {
        const auto made = loop_.run_until_done(store_->make_bucket());
        if (!made) {
            throw std::runtime_error("make_bucket: " + made.error().detail);
        }
    }
    blob::reader& reader() { return *store_; }
    blob::writer& writer() { return *store_; }
    blob::remover& remover() { return *store_; }
    event_loop& loop() { return loop_; }
    s3_store& store() { return *store_; }
    blocking_pool& pool() { return pool_; }
    const clock_source& clock() const { return clock_; }

 private:
    event_loop loop_;
    blocking_pool pool_{2};
    system_clock_source clock_;
    std::unique_ptr<s3_store> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(minio, blob_contract, s3_bucket_on_minio);

struct s3_minio : testing::Test {
    s3_options options = minio();
    s3_bucket_on_minio bucket{options};
    fault_gate gate{options.endpoint};
    obs::metrics metrics;
    std::unique_ptr<s3_store> store = through_gate();  // what is tested

    std::unique_ptr<s3_store> through_gate() {
        auto o = options;
        o.endpoint = gate.url();
        o.backoff = 1ms;
        o.metrics = &metrics;
        return or_throw(s3_store::make(bucket.loop().executor(), bucket.pool(), bucket.clock(), o));
    }
    template <class T>
    T run(task<T> t) {
        return bucket.loop().run_until_done(std::move(t));
    }
    void cut_next_answer(std::size_t after = 0) {
        gate.cut_after_bytes = after;
        gate.answers_to_cut = 1;
    }
    static std::string reason(const auto& r) { return r ? "ok" : r.error().reason; }
    std::string metric(const std::string& line_start) const {
        const auto page = metrics.expose();
        const auto at = page.find("\n" + line_start + " ");
        return at == page.npos ? "(absent)"
                               : page.substr(at + line_start.size() + 2,
                                             page.find('\n', at + 1) - at - line_start.size() - 2);
    }
};

TEST_F(s3_minio, bytes_damaged_on_the_way_are_refused_by_the_store_and_sent_again) {
    const auto bytes = contract_bytes(1 << 20, 7);
    gate.bodies_to_damage = 1;
    auto put = run(store->put("k", bytes, put_mode::create_only));
    ASSERT_TRUE(put) << put.error().detail;
    EXPECT_EQ(gate.bodies_to_damage, 0);
    EXPECT_TRUE(run(read_object(*store, "k", 2 << 20)) == bytes);
    EXPECT_EQ(metric(R"(vora_s3_requests_total{class="4xx",op="put"})"), "1");
    EXPECT_EQ(metric(R"(vora_s3_requests_total{class="2xx",op="put"})"), "1");
    EXPECT_EQ(metric(R"(vora_s3_retries_total{op="put"})"), "1");
    EXPECT_EQ(metric("vora_s3_sent_bytes_total"), std::to_string(1 << 20));
    EXPECT_EQ(metric("vora_s3_received_bytes_total"), std::to_string(1 << 20));
    EXPECT_EQ(metric(R"(vora_s3_request_seconds_count{op="put"})"), "2");
}

TEST_F(s3_minio, a_part_damaged_on_the_way_is_sent_again_and_the_object_is_whole) {
    const auto one = contract_bytes(5 << 20, 8);
    const auto two = contract_bytes(300'000, 9);
    auto id = run(store->begin_multipart("m", one.size()));
    ASSERT_TRUE(id) << id.error().detail;
    gate.bodies_to_damage = 1;
    auto first = run(store->put_part("m", *id, 1, one));
    ASSERT_TRUE(first) << first.error().detail;
    EXPECT_EQ(gate.bodies_to_damage, 0);
    auto second = run(store->put_part("m", *id, 2, two));
    ASSERT_TRUE(second) << second.error().detail;
    EXPECT_EQ(metric(R"(vora_s3_retries_total{op="put_part"})"), "1");
    auto done = run(store->complete_multipart("m", *id, {*first, *second}));
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_TRUE(run(read_object(*store, "m", 8 << 20)) == one + two);
}

TEST_F(s3_minio, a_file_damaged_on_the_way_is_sent_again) {
    const auto bytes = contract_bytes(1 << 20, 10);
    const auto path = std::filesystem::temp_directory_path() / ("vora-put-" + random_hex(8));
    std::ofstream(path, std::ios::binary) << bytes;
    gate.bodies_to_damage = 1;
    auto put = run(store->put_file("f", path, put_mode::create_only));
    std::filesystem::remove(path);
    ASSERT_TRUE(put) << put.error().detail;
    EXPECT_EQ(gate.bodies_to_damage, 0);
    EXPECT_EQ(metric(R"(vora_s3_retries_total{op="put"})"), "1");
    EXPECT_TRUE(run(read_object(*store, "f", 2 << 20)) == bytes);
}

TEST_F(s3_minio, a_create_whose_answer_was_lost_is_known_as_ours) {
    cut_next_answer();
    auto r = run(store->put("k", "mine", put_mode::create_only));
    ASSERT_TRUE(r) << r.error().reason;
    EXPECT_EQ(gate.answers_to_cut, 0);
    EXPECT_EQ(run(read_object(*store, "k", 100)), "mine");
    EXPECT_EQ(reason(run(store->put("k", "mine", put_mode::create_only))), "object_exists");
}

TEST_F(s3_minio, a_create_that_another_won_is_refused_after_a_lost_answer_too) {
    ASSERT_TRUE(run(bucket.store().put("k", "mine", put_mode::create_only)));
    cut_next_answer();
    EXPECT_EQ(reason(run(store->put("k", "mine", put_mode::create_only))), "object_exists");
    EXPECT_EQ(gate.answers_to_cut, 0);
}

TEST_F(s3_minio, a_complete_whose_answer_was_lost_is_known_as_ours) {
    const auto one = contract_bytes(5 << 20, 1);
    const auto two = contract_bytes(1000, 2);
    auto id = run(store->begin_multipart("m", 5 << 20));
    ASSERT_TRUE(id);
    auto first = run(store->put_part("m", *id, 1, one));
    auto second = run(store->put_part("m", *id, 2, two));
    ASSERT_TRUE(first && second);
    cut_next_answer();
    auto done = run(store->complete_multipart("m", *id, {*first, *second}));
    ASSERT_TRUE(done) << done.error().reason;
    EXPECT_EQ(gate.answers_to_cut, 0);
    EXPECT_EQ(done->size_bytes, one.size() + two.size());
    EXPECT_TRUE(run(read_object(*store, "m", 8 << 20)) == one + two);
}

TEST_F(s3_minio, a_part_whose_answer_was_lost_is_put_again) {
    auto id = run(store->begin_multipart("m", 5 << 20));
    ASSERT_TRUE(id);
    cut_next_answer();
    auto part = run(store->put_part("m", *id, 1, contract_bytes(1 << 20, 3)));
    ASSERT_TRUE(part) << part.error().reason;
    auto parts = run(store->list_parts("m", *id));
    ASSERT_TRUE(parts);
    ASSERT_EQ(parts->size(), 1u);
    EXPECT_EQ((*parts)[0].etag, part->etag);
}

TEST_F(s3_minio, a_reset_in_the_body_is_not_seen_by_the_reader) {
    const auto bytes = contract_bytes(3'000'000, 4);
    ASSERT_TRUE(run(bucket.store().put("k", bytes, put_mode::create_only)));
    gate.cut_after_bytes = 400'000;
    gate.answers_to_cut = 3;
    auto r = run(read_object(*store, "k", 4 << 20));
    ASSERT_TRUE(r) << r.error().reason;
    EXPECT_TRUE(*r == bytes);
    EXPECT_EQ(gate.answers_to_cut, 0);
}

TEST_F(s3_minio, an_object_changed_between_two_connections_is_never_mixed) {
    ASSERT_TRUE(run(bucket.store().put("k", std::string(8'000'000, 'a'), put_mode::overwrite)));
    cut_next_answer(100'000);
    auto stream = run(store->open("k", std::nullopt));
    ASSERT_TRUE(stream);
    ASSERT_TRUE(run(bucket.store().put("k", std::string(8'000'000, 'b'), put_mode::overwrite)));
    std::vector<char> piece(65536);
    for (;;) {
        auto n = run((*stream)->read(piece));
        if (!n) {
            EXPECT_EQ(n.error().reason, "object_changed");
            return;
        }
        ASSERT_GT(*n, 0u);
        EXPECT_EQ(std::string(piece.data(), *n), std::string(*n, 'a'));
    }
}

TEST_F(s3_minio, connections_are_kept) {
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(run(store->put("k" + std::to_string(i), "x", put_mode::create_only)));
        ASSERT_TRUE(run(read_object(*store, "k" + std::to_string(i), 10)));
    }
    EXPECT_EQ(gate.connections, 1);
}

TEST_F(s3_minio, more_parts_than_one_page_are_listed) {
    auto id = run(store->begin_multipart("m", 1));
    ASSERT_TRUE(id);
    for (std::uint32_t n = 1; n <= 1003; ++n) {
        ASSERT_TRUE(run(store->put_part("m", *id, n, std::string(1, 'x'))));
    }
    auto parts = run(store->list_parts("m", *id));
    ASSERT_TRUE(parts) << parts.error().detail;
    ASSERT_EQ(parts->size(), 1003u);
    EXPECT_EQ(parts->back().number, 1003u);
}

TEST_F(s3_minio, the_check_names_a_missing_bucket_and_wrong_keys) {
    EXPECT_EQ(reason(run(store->check())), "ok");
    auto other = options;
    other.bucket = "none-" + random_hex(8);
    auto& b = bucket;
    auto missing = or_throw(s3_reader::make(b.loop().executor(), b.pool(), b.clock(), other));
    EXPECT_EQ(reason(run(missing->check())), "storage_no_such_bucket");
    EXPECT_EQ(missing->trouble(), "storage_no_such_bucket");
    other = options;
    other.secret_key = "wrong";
    auto refused = or_throw(s3_reader::make(b.loop().executor(), b.pool(), b.clock(), other));
    EXPECT_EQ(reason(run(refused->check())), "storage_forbidden");
}

struct late_clock final : clock_source {
    timestamp now() const override { return system_clock_source().now() - 1h; }
};

TEST_F(s3_minio, a_clock_that_is_an_hour_late_is_named) {
    late_clock late;
    auto skewed = or_throw(s3_reader::make(bucket.loop().executor(), bucket.pool(), late, options));
    EXPECT_EQ(reason(run(skewed->check())), "storage_clock_skewed");
}

}  // namespace
}  // namespace vora::blob
