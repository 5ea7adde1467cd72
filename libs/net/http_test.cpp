#include "libs/net/http.hpp"

#include "libs/base/async.hpp"
#include "libs/net/problem.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::net {
namespace {

TEST(headers, compare_names_without_case) {
    headers h;
    h.add("Content-Type", "text/plain");
    EXPECT_EQ(h.get("content-TYPE"), "text/plain");
    EXPECT_FALSE(h.get("content"));
}

TEST(headers, set_replaces_every_earlier_value) {
    headers h;
    h.add("A", "1");
    h.add("B", "2");
    h.add("a", "3");
    h.set("A", "4");
    EXPECT_EQ(h.count("a"), 1u);
    EXPECT_EQ(h.get("A"), "4");
    EXPECT_EQ(h.all().size(), 2u);
    h.remove("A");
    EXPECT_FALSE(h.get("a"));
}

// Hands out `piece` bytes at a time and does not tell its length.
class dripping_body final : public body_reader {
 public:
    dripping_body(std::size_t total, std::size_t piece) : left_(total), piece_(piece) {}
    task<result<std::size_t>> read(std::span<char> into) override {
        const std::size_t n = std::min({into.size(), left_, piece_});
        std::fill_n(into.begin(), n, 'x');
        left_ -= n;
        co_return n;
    }
    std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
    std::size_t left_;
    std::size_t piece_;
};

result<std::string> all_of(body_reader& body, std::size_t bytes_max) {
    event_loop loop;
    return loop.run_until_done(read_all(body, bytes_max));
}

TEST(read_all, joins_pieces) {
    dripping_body body(10'000, 7);
    auto all = all_of(body, 10'000);
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, std::string(10'000, 'x'));
}

TEST(read_all, refuses_one_byte_too_many) {
    dripping_body body(10'001, 4096);
    auto all = all_of(body, 10'000);
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().reason, "body_too_large");
}

TEST(read_all, refuses_a_declared_length_before_reading) {
    auto body = body_of("four");
    auto all = all_of(*body, 3);
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().code, errc::resource_exhausted);
}

TEST(read_all, takes_an_empty_body) {
    auto body = body_of("");
    auto all = all_of(*body, 0);
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, "");
}

TEST(problem, has_every_member) {
    request r;
    r.request_id = "abc";
    auto answer = problem(r, 400, "bad_title", "a title is needed",
                          {{"/title", "required", "must not be empty"}});
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.headers.get("content-type"), "application/problem+json");
    const auto body = nlohmann::json::parse(answer.body);
    EXPECT_EQ(body["title"], "Bad Request");
    EXPECT_EQ(body["status"], 400);
    EXPECT_EQ(body["code"], "bad_title");
    EXPECT_EQ(body["detail"], "a title is needed");
    EXPECT_EQ(body["request_id"], "abc");
    EXPECT_EQ(body["errors"][0]["pointer"], "/title");
    EXPECT_TRUE(body.contains("type"));
}

TEST(problem, hides_the_detail_of_internal_errors) {
    auto answer = problem(request{}, error{errc::internal, "x", "SELECT failed in /var/lib"});
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.find("SELECT"), std::string::npos);
    EXPECT_EQ(answer.log_detail, "SELECT failed in /var/lib");
}

TEST(problem, says_how_to_authenticate) {
    auto answer = problem(request{}, error{errc::unauthenticated, "no_token", ""});
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.headers.get("WWW-Authenticate"), "Bearer");
}

TEST(problem, replaces_what_is_no_utf8) {
    auto answer = problem(request{}, 400, "x", "\xff\xfe");
    EXPECT_TRUE(nlohmann::json::accept(answer.body));
}

TEST(problem, blames_the_peer_for_its_own_body) {
    EXPECT_EQ(problem(request{}, error{errc::resource_exhausted, "body_too_large", ""}).status,
              413);
    EXPECT_EQ(problem(request{}, error{errc::deadline_exceeded, "body_too_slow", ""}).status, 408);
    EXPECT_EQ(problem(request{}, error{errc::resource_exhausted, "quota", ""}).status, 429);
}

}  // namespace
}  // namespace vora::net
