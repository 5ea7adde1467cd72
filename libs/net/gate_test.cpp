#include "libs/net/gate.hpp"

#include "libs/net/gate_probes.hpp"

#include <gtest/gtest.h>

namespace vora::net {
namespace {

std::expected<request_head, refusal> pass(std::string_view raw, std::size_t step) {
    const gate_limits limits;
    head_scanner scanner(limits.header_bytes_max);
    for (std::size_t n = std::min(step, raw.size());; n = std::min(n + step, raw.size())) {
        auto size = scanner.scan(raw.substr(0, n));
        if (!size) {
            return std::unexpected(size.error());
        }
        if (*size > 0) {
            return parse_head(raw.substr(0, *size), limits);
        }
        if (n == raw.size()) {
            return std::unexpected(refusal{0, "incomplete", ""});
        }
    }
}

request_head must_pass(std::string_view raw) {
    auto head = pass(raw, raw.size());
    if (!head) {
        ADD_FAILURE() << raw << " refused: " << head.error().reason;
        return {};
    }
    return std::move(*head);
}

TEST(gate, has_at_least_sixty_probes) {
    EXPECT_GE(all_probes().size(), 60u);
}

TEST(gate, refuses_every_probe_for_its_reason_however_the_bytes_arrive) {
    for (const auto& p : all_probes()) {
        for (const std::size_t step : {p.raw.size(), std::size_t{1}, std::size_t{7}}) {
            auto head = pass(p.raw, step);
            ASSERT_FALSE(head) << p.name;
            EXPECT_EQ(head.error().reason, p.reason) << p.name;
            EXPECT_EQ(head.error().status, p.status) << p.name;
        }
    }
}

TEST(gate, reads_an_ordinary_request) {
    const auto head = must_pass(
        "PATCH /files/a%20b?grant=x%2By&empty&q=a+b HTTP/1.1\r\n"
        "Host: vora.example:8080\r\ncontent-length: 42\r\nX-Other:  padded \t\r\n\r\n");
    EXPECT_EQ(head.method, "PATCH");
    EXPECT_EQ(head.path, "/files/a b");
    EXPECT_EQ(head.raw_path, "/files/a%20b");
    EXPECT_EQ(head.host, "vora.example:8080");
    EXPECT_EQ(head.content_length, 42u);
    EXPECT_FALSE(head.chunked);
    EXPECT_TRUE(head.keep_alive);
    EXPECT_EQ(head.headers.get("x-other"), "padded");
    ASSERT_EQ(head.query.size(), 3u);
    EXPECT_EQ(head.query[0].second, "x+y");
    EXPECT_EQ(head.query[1].first, "empty");
    EXPECT_EQ(head.query[2].second, "a b");
}

TEST(gate, leaves_the_bytes_behind_the_head_alone) {
    const std::string first = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
    head_scanner scanner(16'384);
    auto size = scanner.scan(first + "GET /b HTTP/1.1\r\n");
    ASSERT_TRUE(size);
    EXPECT_EQ(*size, first.size());
}

TEST(gate, takes_what_is_legal_if_unusual) {
    must_pass("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    must_pass("GET / HTTP/1.0\r\n\r\n");
    must_pass("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    must_pass("GET /a/ HTTP/1.1\r\nHost: h\r\n\r\n");
    must_pass("GET /a..b/...c/%2541 HTTP/1.1\r\nHost: h\r\n\r\n");
    must_pass("GET /%C3%A9 HTTP/1.1\r\nHost: h\r\n\r\n");
    must_pass("GET / HTTP/1.1\r\nHost: h\r\nAccept: a\r\nAccept: b\r\nEmpty:\r\n\r\n");
    EXPECT_TRUE(
        must_pass("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n").chunked);
    EXPECT_EQ(must_pass("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").content_length,
              0u);
    EXPECT_EQ(must_pass("GET /%2541 HTTP/1.1\r\nHost: h\r\n\r\n").path, "/%41");
}

TEST(gate, knows_when_the_connection_ends) {
    EXPECT_FALSE(must_pass("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    EXPECT_FALSE(
        must_pass("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n").keep_alive);
    EXPECT_TRUE(must_pass("GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n").keep_alive);
}

TEST(gate, takes_a_head_of_exactly_the_limit_and_no_byte_more) {
    const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    const std::string end = "\r\n\r\n";
    const std::size_t room = gate_limits{}.header_bytes_max - start.size() - end.size();
    must_pass(start + std::string(room, 'b') + end);
    auto head = pass(start + std::string(room + 1, 'b') + end, 1000);
    ASSERT_FALSE(head);
    EXPECT_EQ(head.error().status, 431);
}

}  // namespace
}  // namespace vora::net
