// What the adapter makes of a store that answers badly, late or not at all.

#include "libs/base/crypto.hpp"
#include "libs/blob/s3/s3_bucket.hpp"
#include "libs/blob/s3/s3_fixture.hpp"
#include "libs/blob/s3/s3_store.hpp"
#include "libs/obs/metrics.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace vora::blob {
namespace {

using namespace std::chrono_literals;
using canned = canned_store;

constexpr auto about_it = "ETag: \"e1\"\r\nLast-Modified: Tue, 24 Nov 2026 01:02:03 GMT\r\n";

s3_options patient(const std::string& endpoint) {
    s3_options o;
    o.endpoint = endpoint;
    o.bucket = "bucket";
    o.access_key = "key";
    o.secret_key = "secret";
    o.backoff = 1ms;
    o.backoff_max = 2ms;
    // A test that runs into one of these has failed.
    o.attempt_deadline = 60s;
    o.call_deadline = 120s;
    o.stall = 60s;
    return o;
}

struct s3_faults : testing::Test {
    event_loop loop;
    blocking_pool pool{1};
    system_clock_source clock;
    std::unique_ptr<canned> server;
    std::unique_ptr<s3_store> store;

    void start(
        std::vector<std::string> answers,
        const std::function<void(s3_options&)>& change = [](s3_options&) {}) {
        server = std::make_unique<canned>(std::move(answers));
        auto o = patient(server->url());
        change(o);
        auto made = s3_store::make(loop.executor(), pool, clock, o);
        ASSERT_TRUE(made) << made.error().detail;
        store = std::move(*made);
    }
    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    std::size_t asked() const { return server->requests().size(); }
    static std::string reason(const auto& r) { return r ? "ok" : r.error().reason; }
};

TEST_F(s3_faults, what_may_pass_is_repeated) {
    start({canned::error(500, "InternalError"), canned::error(503, "SlowDown"),
           canned::error(400, "IncompleteBody"), canned::answer(200, about_it, "hello")});
    auto r = run(read_object(*store, "k", 100));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(*r, "hello");
    EXPECT_EQ(asked(), 4u);
}

TEST_F(s3_faults, every_attempt_is_counted_by_its_answer) {
    obs::metrics metrics;
    start({"", canned::error(500, "InternalError"), canned::error(404, "NoSuchKey")},
          [&](s3_options& o) { o.metrics = &metrics; });
    EXPECT_EQ(reason(run(store->head("k"))), "no_such_object");
    const auto page = metrics.expose();
    for (const auto* line : {R"(vora_s3_requests_total{class="lost",op="head"} 1)",
                             R"(vora_s3_requests_total{class="5xx",op="head"} 1)",
                             R"(vora_s3_requests_total{class="4xx",op="head"} 1)",
                             R"(vora_s3_retries_total{op="head"} 2)",
                             R"(vora_s3_request_seconds_count{op="head"} 3)"}) {
        EXPECT_NE(page.find(line), page.npos) << line;
    }
}

TEST_F(s3_faults, and_not_for_ever) {
    start(std::vector<std::string>(9, canned::error(500, "InternalError")));
    auto r = run(store->head("k"));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::unavailable);
    EXPECT_EQ(r.error().reason, "storage_unavailable");
    EXPECT_EQ(asked(), 4u);
}

TEST_F(s3_faults, a_connection_that_ends_before_the_answer_is_repeated) {
    start({"", "HTTP/1.1 200", canned::answer(200, about_it, "")});
    EXPECT_EQ(reason(run(store->head("k"))), "ok");
    EXPECT_EQ(asked(), 3u);
}

TEST_F(s3_faults, a_refusal_is_repeated_by_nobody_and_named) {
    start({canned::error(403, "AccessDenied"), canned::answer(200, about_it, "")});
    auto r = run(store->put("k", "x", put_mode::overwrite));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::internal);
    EXPECT_EQ(r.error().reason, "storage_forbidden");
    EXPECT_EQ(store->trouble(), "storage_forbidden");
    EXPECT_EQ(asked(), 1u);
    EXPECT_EQ(reason(run(store->put("k", "x", put_mode::overwrite))), "ok");
    EXPECT_EQ(store->trouble(), "");
}

TEST_F(s3_faults, what_somebody_has_to_mend_has_a_name_of_its_own) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {canned::error(403, "RequestTimeTooSkewed"), "storage_clock_skewed"},
        {canned::error(403, "SignatureDoesNotMatch"), "storage_forbidden"},
        {canned::error(404, "NoSuchBucket"), "storage_no_such_bucket"},
        {canned::error(301, "PermanentRedirect"), "storage_refused"},
        {canned::error(400, "InvalidRequest"), "storage_refused"},
        {canned::error(501, "NotImplemented"), "storage_refused"},
        {canned::error(507, "XMinioStorageFull"), "store_full"},
    };
    for (const auto& [answer, expected] : cases) {
        start({answer});
        auto r = run(store->check());
        EXPECT_EQ(reason(r), expected);
        EXPECT_EQ(asked(), 1u);
        // No 4xx for a client of ours.
        EXPECT_TRUE(r.error().code == errc::internal || expected == "store_full");
    }
}

TEST_F(s3_faults, a_connection_that_dies_in_the_body_is_continued_where_it_stood) {
    start({"HTTP/1.1 200 X\r\nContent-Length: 10\r\n" + std::string(about_it) + "\r\nabcd",
           "HTTP/1.1 206 X\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n" +
               std::string(about_it) + "\r\nef",
           canned::answer(206, "Content-Range: bytes 6-9/10\r\n" + std::string(about_it), "ghij")});
    auto r = run(read_object(*store, "k", 100));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(*r, "abcdefghij");
    const auto requests = server->requests();
    ASSERT_EQ(requests.size(), 3u);
    EXPECT_NE(requests[1].find("range: bytes=4-9\r\n"), std::string::npos) << requests[1];
    EXPECT_NE(requests[1].find("if-match: \"e1\"\r\n"), std::string::npos);
    EXPECT_NE(requests[2].find("range: bytes=6-9\r\n"), std::string::npos);
}

TEST_F(s3_faults, other_bytes_are_never_appended_to_those_already_read) {
    start({"HTTP/1.1 200 X\r\nContent-Length: 10\r\n" + std::string(about_it) + "\r\nabcd",
           canned::error(412, "PreconditionFailed")});
    auto r = run(read_object(*store, "k", 100));
    EXPECT_EQ(reason(r), "object_changed");
    EXPECT_EQ(r.error().code, errc::aborted);
}

TEST_F(s3_faults, an_answer_shorter_than_its_range_is_a_loss) {
    start({canned::answer(206, "Content-Range: bytes 0-9/10\r\n" + std::string(about_it), "abc")});
    auto r = run(store->open("k", byte_range{0, 10}));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::data_loss);
}

TEST_F(s3_faults, an_answer_that_is_not_the_range_is_not_taken) {
    start({canned::answer(200, about_it, "abc"),
           canned::answer(206, "Content-Range: bytes 1-3/9\r\n" + std::string(about_it), "abc"),
           canned::answer(206, "Content-Range: nonsense\r\n" + std::string(about_it), "abc"),
           canned::answer(200, "", "abc")});
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(reason(run(store->open("k", byte_range{0, 3}))), "storage_bad_answer");
    }
    EXPECT_EQ(reason(run(store->open("k", std::nullopt))), "storage_bad_answer");
}

TEST_F(s3_faults, a_store_that_says_nothing_ends_at_the_deadline) {
    start({"<stall>", "<stall>", "<stall>", "<stall>"}, [](s3_options& o) {
        o.attempt_deadline = 20ms;
        o.call_deadline = 50ms;
    });
    auto r = run(store->head("k"));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::deadline_exceeded);
}

TEST_F(s3_faults, a_body_that_stalls_is_continued_on_another_connection) {
    start({"HTTP/1.1 200 X\r\nContent-Length: 8\r\n" + std::string(about_it) + "\r\nabcd<stall>",
           canned::answer(206, "Content-Range: bytes 4-7/8\r\n" + std::string(about_it), "efgh")},
          [](s3_options& o) { o.stall = 300ms; });
    auto r = run(read_object(*store, "k", 100));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(*r, "abcdefgh");
}

// The value of a header in what the store was sent.
std::string sent(const std::string& request, const std::string& name) {
    const auto at = request.find("\r\n" + name + ": ");
    const auto start = at + name.size() + 4;
    return at == request.npos ? "" : request.substr(start, request.find("\r\n", start) - start);
}

TEST_F(s3_faults, a_create_whose_key_is_taken_by_another_after_a_lost_answer_is_refused) {
    start({"", canned::error(412, "PreconditionFailed"),
           canned::answer(200, "x-amz-meta-vora-put: another\r\n" + std::string(about_it), "x")});
    auto r = run(store->put("k", "x", put_mode::create_only));
    EXPECT_EQ(reason(r), "object_exists");
    const auto requests = server->requests();
    ASSERT_EQ(requests.size(), 3u);
    EXPECT_EQ(sent(requests[0], "if-none-match"), "*");
    EXPECT_EQ(sent(requests[0], "x-amz-meta-vora-put").size(), 32u);
    EXPECT_EQ(sent(requests[0], "x-amz-meta-vora-put"), sent(requests[1], "x-amz-meta-vora-put"));
}

TEST_F(s3_faults, a_taken_key_is_refused_without_a_second_look_when_no_answer_was_lost) {
    start({canned::error(412, "PreconditionFailed")});
    EXPECT_EQ(reason(run(store->put("k", "x", put_mode::create_only))), "object_exists");
    EXPECT_EQ(asked(), 1u);
}

TEST_F(s3_faults, a_complete_that_fails_inside_a_200_is_a_failure) {
    start({canned::error(200, "InternalError")});
    auto r = run(store->complete_multipart("k", "id", {{1, 5, "\"e\""}}));
    EXPECT_EQ(reason(r), "storage_unavailable");
}

TEST_F(s3_faults, a_body_that_breaks_off_is_left_to_the_reader_who_goes_on_himself) {
    start({"HTTP/1.1 200 X\r\nContent-Length: 8\r\n" + std::string(about_it) + "\r\nabcd",
           canned::answer(200, about_it, "abcdefgh")},
          [](s3_options& o) { o.resumes_max = 0; });
    EXPECT_EQ(reason(run(read_object(*store, "k", 100))), "storage_unavailable");
    EXPECT_EQ(asked(), 1u);
}

TEST_F(s3_faults, an_answer_whose_body_does_not_come_ends_with_the_call) {
    start({"HTTP/1.1 404 X\r\nContent-Length: 8\r\n\r\n<stall>"}, [](s3_options& o) {
        o.attempts_max = 1;
        o.call_deadline = 300ms;
    });
    EXPECT_EQ(reason(run(read_object(*store, "k", 100))), "deadline_exceeded");
}

TEST_F(s3_faults, too_many_open_objects_are_refused_and_closing_one_makes_room) {
    start({"HTTP/1.1 200 X\r\nContent-Length: 9\r\n" + std::string(about_it) + "\r\nab<stall>",
           canned::answer(200, about_it, "abc")},
          [](s3_options& o) { o.streams_max = 1; });
    auto first = run(store->open("k", std::nullopt));
    ASSERT_TRUE(first);
    EXPECT_EQ(reason(run(store->open("k", std::nullopt))), "storage_busy");
    first->reset();
    EXPECT_EQ(reason(run(read_object(*store, "k", 10))), "ok");
}

TEST_F(s3_faults, a_failed_fetch_leaves_no_file) {
    start({canned::error(404, "NoSuchKey")});
    const auto dir = std::filesystem::temp_directory_path() / ("vora_s3_" + random_hex(8));
    std::filesystem::create_directories(dir);
    EXPECT_EQ(reason(run(store->fetch_to_file("k", dir / "f"))), "no_such_object");
    EXPECT_TRUE(std::filesystem::is_empty(dir));
    std::filesystem::remove_all(dir);
}

TEST(s3_bucket, stands_in_the_path_or_in_the_host) {
    event_loop loop;
    system_clock_source clock;
    auto o = patient("https://store.example:9000/");
    auto in_path = s3_bucket::make(loop.executor(), clock, o);
    ASSERT_TRUE(in_path) << in_path.error().detail;
    EXPECT_EQ((*in_path)->request_for({.method = "GET", .key = "a/b"}).url,
              "https://store.example:9000/bucket/a/b");
    o.path_style = false;
    auto in_host = s3_bucket::make(loop.executor(), clock, o);
    ASSERT_TRUE(in_host);
    const auto r = (*in_host)->request_for({.method = "GET", .query = {{"uploads", ""}}});
    EXPECT_EQ(r.url, "https://bucket.store.example:9000/?uploads=");
    EXPECT_EQ(r.headers.get("host"), "bucket.store.example:9000");
}

TEST(s3_options, that_cannot_be_meant_are_refused) {
    event_loop loop;
    blocking_pool pool(1);
    system_clock_source clock;
    const std::vector<std::function<void(s3_options&)>> changes = {
        [](s3_options& o) { o.endpoint = "ftp://h"; },
        [](s3_options& o) { o.endpoint = "http://"; },
        [](s3_options& o) { o.endpoint = "http://h/path"; },
        [](s3_options& o) { o.endpoint = "http://user@h"; },
        [](s3_options& o) { o.bucket = "Up"; },
        [](s3_options& o) { o.bucket = "a/b"; },
        [](s3_options& o) { o.access_key = ""; },
        [](s3_options& o) { o.secret_key = ""; },
        [](s3_options& o) { o.calls_max = 0; },
        [](s3_options& o) {
            o.endpoint = "https://h";
            o.ca_file = "/nonexistent";
        },
    };
    for (const auto& change : changes) {
        auto o = patient("http://h");
        change(o);
        auto made = s3_reader::make(loop.executor(), pool, clock, o);
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, errc::invalid_argument);
    }
}

}  // namespace
}  // namespace vora::blob
