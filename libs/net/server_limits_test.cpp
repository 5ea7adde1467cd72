// Time, size and number: what a server lets a peer take, and how it ends.

#include "libs/net/problem.hpp"
#include "libs/net/server.hpp"
#include "libs/net/server_fixture.hpp"
#include "libs/net/tcp_stream.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <semaphore>
#include <sstream>

namespace vora::net {
namespace {

using namespace std::chrono_literals;

const std::string host = "Host: h\r\n";
const std::string end = "\r\n";
const std::string ask_hello = "GET /hello HTTP/1.1\r\n" + host + end;

void hello(router& routes) {
    routes.add("GET", "/hello",
               [](request&) -> task<response> { co_return response::text(200, "hello"); });
}

// `total` bytes; ends with an error before `fails_at`.
class made_source final : public body_source {
 public:
    explicit made_source(std::uint64_t total, std::uint64_t fails_at = UINT64_MAX)
        : left_(total), until_failure_(fails_at) {}
    task<result<std::size_t>> read(std::span<char> into) override {
        if (until_failure_ == 0) {
            co_return fail(errc::unavailable, "store_away");
        }
        const auto n =
            static_cast<std::size_t>(std::min({std::uint64_t{into.size()}, left_, until_failure_}));
        std::memset(into.data(), 'x', n);
        left_ -= n;
        until_failure_ -= n;
        co_return n;
    }

 private:
    std::uint64_t left_;
    std::uint64_t until_failure_;
};

handler streaming(std::uint64_t length, std::uint64_t made, std::uint64_t fails_at = UINT64_MAX) {
    return [=](request&) -> task<response> {
        response answer;
        answer.stream = std::make_unique<made_source>(made, fails_at);
        answer.stream_length = length;
        co_return answer;
    };
}

std::size_t memory_peak_kib() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word && word != "VmHWM:") {
    }
    std::size_t kib = 0;
    status >> kib;
    return kib;
}

std::string cut_once(const std::string& reason) {
    return "vora_http_connections_cut_total{reason=\"" + reason + "\",server=\"test\"} 1";
}

TEST(server_time, answers_408_to_a_head_that_does_not_end) {
    server_options options;
    options.header_timeout = 40ms;
    running_server server(hello, options);
    raw_client client(server.port());
    auto answer = client.ask("GET /hello HTTP/1.1\r\nHost: h");
    EXPECT_EQ(answer.status, 408);
    EXPECT_EQ(answer.field("Connection"), "close");
    client.end_sending();
    EXPECT_TRUE(client.closed_silently());
    EXPECT_EQ(server.metric("vora_http_connections_cut_total{"), cut_once("header_timeout"));
}

TEST(server_time, a_dripping_head_does_not_win_time) {
    server_options options;
    options.header_timeout = 60ms;
    running_server server(hello, options);
    raw_client client(server.port());
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\nA: ");
    const auto start = std::chrono::steady_clock::now();
    while (client.send("b") && std::chrono::steady_clock::now() - start < 5s) {
        if (server.metric("vora_http_refused_total") != "") {
            break;
        }
    }
    EXPECT_EQ(client.receive().status, 408);
}

TEST(server_time, closes_idle_connections_without_a_word) {
    server_options options;
    options.idle_timeout = 40ms;
    running_server server(hello, options);
    raw_client fresh(server.port());
    EXPECT_TRUE(fresh.closed_silently());
    EXPECT_EQ(server.metric("vora_http_connections_cut_total{"), cut_once("idle"));
    raw_client used(server.port());
    EXPECT_EQ(used.ask(ask_hello).status, 200);
    EXPECT_TRUE(used.closed_silently());
}

TEST(server_time, ends_a_body_that_drips) {
    server_options options;
    options.rate_bytes_per_s_min = 1'000'000;
    options.rate_grace = 60ms;
    running_server server(
        [](router& routes) {
            routes.add("POST", "/", [](request& r) -> task<response> {
                auto all = co_await read_all(*r.body, 1 << 20);
                co_return problem(r, all.error());
            });
        },
        options);
    raw_client client(server.port());
    client.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 100000\r\n" + end);
    auto answer = client.ask("drip");
    EXPECT_EQ(answer.status, 408);
    EXPECT_NE(answer.body.find("body_too_slow"), std::string::npos);
    client.end_sending();
    EXPECT_TRUE(client.closed_silently());
    EXPECT_EQ(server.metric("vora_http_connections_cut_total{"), cut_once("body_too_slow"));
}

TEST(server_time, cuts_a_client_that_does_not_read) {
    server_options options;
    options.rate_bytes_per_s_min = 1'000'000;
    options.rate_grace = 60ms;
    const std::uint64_t length = 64 << 20;
    running_server server(
        [&](router& routes) { routes.add("GET", "/", streaming(length, length)); }, options);
    raw_client client(server.port(), 4096);
    client.send("GET / HTTP/1.1\r\n" + host + end);
    // The gauge falls to 0 when the server has given up; only then does the client read.
    server.await_metric("vora_http_connections_open{server=\"test\"} 1");
    server.await_metric("vora_http_connections_open{server=\"test\"} 0");
    EXPECT_LT(client.count(length), length);
    EXPECT_EQ(server.metric("vora_http_connections_cut_total{"), cut_once("answer_too_slow"));
}

// Nobody is fast enough here, so that neither end has to sleep to be too slow.
server_options impossible_rate() {
    server_options options;
    options.rate_bytes_per_s_min = 1'000'000'000'000;
    options.rate_grace = 40ms;
    return options;
}

TEST(server_time, moving_a_little_all_the_time_does_not_help_a_sender) {
    running_server server(
        [](router& routes) {
            routes.add("POST", "/",
                       [](request& r) -> task<response> {
                           auto all = co_await read_all(*r.body, 1 << 30);
                           co_return problem(r, all.error());
                       },
                       {.streams_body = true});
        },
        impossible_rate());
    raw_client client(server.port());
    client.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 100000000\r\n" + end);
    while (server.metric("vora_http_requests_total").empty()) {
        ASSERT_TRUE(client.send("x"));
    }
    EXPECT_EQ(client.receive().status, 408);
}

TEST(server_time, moving_a_little_all_the_time_does_not_help_a_reader) {
    const std::uint64_t length = 1ull << 50;
    running_server server(
        [&](router& routes) { routes.add("GET", "/", streaming(length, length)); },
        impossible_rate());
    raw_client client(server.port(), 4096);
    client.send("GET / HTTP/1.1\r\n" + host + end);
    EXPECT_LT(client.count(64ull << 30), 64ull << 30);
}

TEST(rate_watch, a_fast_start_does_not_pay_for_dripping_later) {
    rate_watch rate(1000, 10s, 1h);
    const steady_time now{};
    EXPECT_EQ(rate.deadline(now), now + 10s);
    rate.add(1s, 1'000'000);
    EXPECT_EQ(rate.deadline(now), now + 19s);
    rate.add(9s, 10);
    EXPECT_EQ(rate.deadline(now), now + 10s);
    rate.add(10s, 9'999);
    EXPECT_EQ(rate.deadline(now), now);
}

TEST(rate_watch, silence_is_bounded_by_the_idle_limit) {
    rate_watch rate(1000, 10s, 3s);
    const steady_time now{};
    EXPECT_EQ(rate.deadline(now), now + 3s);
    rate.add(8s, 10);
    EXPECT_EQ(rate.deadline(now), now + 2s);
}

TEST(server_stream, sends_much_with_little_memory) {
    const std::uint64_t length = 512ull << 20;
    running_server server(
        [&](router& routes) { routes.add("GET", "/", streaming(length, length)); });
    raw_client client(server.port());
    const std::size_t before = memory_peak_kib();
    client.send("GET / HTTP/1.1\r\n" + host + "Connection: close\r\n" + end);
    const std::uint64_t got = client.count(UINT64_MAX);
    EXPECT_GT(got, length);
    EXPECT_LT(got, length + 1000);
    EXPECT_LT(memory_peak_kib() - before, 32u << 10);
}

TEST(server_stream, receives_much_with_little_memory) {
    const std::uint64_t length = 512ull << 20;
    running_server server([](router& routes) {
        routes.add("POST", "/",
                   [](request& r) -> task<response> {
                       std::vector<char> buffer(256 << 10);
                       std::uint64_t total = 0;
                       for (;;) {
                           auto n = co_await r.body->read(buffer);
                           if (!n || *n == 0) {
                               break;
                           }
                           total += *n;
                       }
                       co_return response::text(200, std::to_string(total));
                   },
                   {.streams_body = true});
    });
    raw_client client(server.port());
    const std::size_t before = memory_peak_kib();
    client.send("POST / HTTP/1.1\r\n" + host + "Content-Length: " + std::to_string(length) +
                "\r\n" + end);
    const std::string piece(1 << 20, 'x');
    for (std::uint64_t sent = 0; sent < length; sent += piece.size()) {
        ASSERT_TRUE(client.send(piece));
    }
    EXPECT_EQ(client.receive().body, std::to_string(length));
    EXPECT_LT(memory_peak_kib() - before, 32u << 10);
}

TEST(server_stream, cuts_the_connection_when_the_source_fails_midway) {
    running_server server([](router& routes) {
        routes.add("GET", "/error", streaming(1 << 20, 1 << 20, 700'000));
        routes.add("GET", "/short", streaming(1 << 20, 700'000));
    });
    for (const std::string path : {"/error", "/short"}) {
        raw_client client(server.port());
        auto answer = client.ask("GET " + path + " HTTP/1.1\r\n" + host + end);
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.field("Content-Length"), std::to_string(1 << 20));
        EXPECT_LT(answer.body.size(), std::size_t{1} << 20);
        EXPECT_TRUE(client.ended());
    }
}

TEST(server_stream, answers_an_error_when_the_source_fails_at_once) {
    running_server server(
        [](router& routes) { routes.add("GET", "/", streaming(1 << 20, 1 << 20, 0)); });
    raw_client client(server.port());
    auto answer = client.ask("GET / HTTP/1.1\r\n" + host + end);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("store_away"), std::string::npos);
    EXPECT_EQ(client.ask("GET / HTTP/1.1\r\n" + host + end).status, 503);
}

void refusing(router& routes) {
    hello(routes);
    routes.add("PATCH", "/",
               [](request& r) -> task<response> { co_return problem(r, 409, "no", "no"); },
               {.streams_body = true});
}

TEST(server_leftover, reads_a_small_unread_body_away_and_keeps_the_connection) {
    running_server server(refusing);
    raw_client client(server.port());
    const std::string body(200'000, 'x');
    auto answer =
        client.ask("PATCH / HTTP/1.1\r\n" + host + "Content-Length: 200000\r\n" + end + body);
    EXPECT_EQ(answer.status, 409);
    EXPECT_EQ(answer.field("Connection"), "");
    EXPECT_EQ(client.ask(ask_hello).body, "hello");
    answer = client.ask("PATCH / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" + end +
                        "3\r\nabc\r\n0\r\n\r\n");
    EXPECT_EQ(answer.status, 409);
}

TEST(server_leftover, the_answer_reaches_a_client_that_sends_a_large_body_first) {
    running_server server(refusing);
    for (const std::string framing :
         {"Content-Length: 67108864\r\n", "Transfer-Encoding: chunked\r\n"}) {
        raw_client client(server.port());
        client.send("PATCH / HTTP/1.1\r\n" + host + framing + end);
        if (framing.starts_with('T')) {
            client.send("4000000\r\n");
        }
        const std::string piece(1 << 20, 'x');
        for (int i = 0; i < 64; ++i) {
            ASSERT_TRUE(client.send(piece)) << framing << i;
        }
        auto answer = client.receive();
        EXPECT_EQ(answer.status, 409);
        EXPECT_EQ(answer.field("Connection"), "close");
        client.end_sending();
        EXPECT_TRUE(client.closed_silently());
    }
}

TEST(server_leftover, the_answer_also_reaches_a_client_that_asked_to_close) {
    running_server server(refusing);
    for (int i = 0; i < 20; ++i) {
        raw_client client(server.port());
        client.send("PATCH / HTTP/1.1\r\n" + host +
                    "Connection: close\r\nContent-Length: 200000\r\n" + end);
        ASSERT_TRUE(client.send(std::string(200'000, 'x')));
        EXPECT_EQ(client.receive().status, 409);
        client.end_sending();
        EXPECT_TRUE(client.closed_silently());
    }
}

TEST(server_leftover, never_takes_an_unread_body_for_a_request) {
    running_server server(refusing);
    raw_client client(server.port());
    const std::string smuggled(ask_hello);
    client.send("PATCH / HTTP/1.1\r\n" + host +
                "Content-Length: " + std::to_string(smuggled.size()) + "\r\n" + end + smuggled +
                "GET /none HTTP/1.1\r\n" + host + "Connection: close\r\n" + end);
    EXPECT_EQ(client.receive().status, 409);
    EXPECT_EQ(client.receive().status, 404);
    EXPECT_TRUE(client.closed_silently());
}

// A handler that waits until the test lets it go.
struct gate_keeper {
    std::atomic<int> inside = 0;
    std::atomic<bool> open = false;

    void add_to(router& routes) {
        routes.add("GET", "/wait", [this](request&) -> task<response> {
            ++inside;
            while (!open) {
                co_await sleep_for(1ms);
            }
            co_return response::text(200, "waited");
        });
    }
    void await_inside(int n) const {
        while (inside < n) {
            std::this_thread::yield();
        }
    }
};

const std::string ask_wait = "GET /wait HTTP/1.1\r\n" + host + end;

TEST(server_stop, finishes_running_requests_and_closes_idle_connections) {
    gate_keeper keeper;
    running_server server([&](router& routes) {
        hello(routes);
        keeper.add_to(routes);
    });
    raw_client idle(server.port());
    EXPECT_EQ(idle.ask(ask_hello).status, 200);
    raw_client busy(server.port());
    busy.send(ask_wait);
    keeper.await_inside(1);
    auto stopped = server.begin_stop();
    EXPECT_TRUE(idle.closed_silently());
    EXPECT_NE(stopped.wait_for(0ms), std::future_status::ready);
    EXPECT_FALSE(raw_client(server.port()).connected());
    keeper.open = true;
    auto answer = busy.receive();
    EXPECT_EQ(answer.body, "waited");
    EXPECT_EQ(answer.field("Connection"), "close");
    EXPECT_TRUE(busy.closed_silently());
    stopped.wait();
}

TEST(server_stop, cuts_what_takes_longer_than_the_drain_time) {
    gate_keeper keeper;
    server_options options;
    options.drain_timeout = 30ms;
    running_server server([&](router& routes) { keeper.add_to(routes); }, options);
    raw_client busy(server.port());
    busy.send(ask_wait);
    keeper.await_inside(1);
    server.stop();
    EXPECT_TRUE(busy.closed_silently());
}

TEST(server_caps, turns_connections_away_beyond_the_total) {
    gate_keeper keeper;
    server_options options;
    options.connections_max = 2;
    running_server server([&](router& routes) { keeper.add_to(routes); }, options);
    raw_client a(server.port());
    raw_client b(server.port());
    a.send(ask_wait);
    b.send(ask_wait);
    keeper.await_inside(2);
    raw_client c(server.port());
    EXPECT_EQ(c.receive().status, 503);
    EXPECT_EQ(c.receive_all(), "");
    keeper.open = true;
    EXPECT_EQ(a.receive().status, 200);
}

TEST(server_caps, the_defaults_are_what_the_documentation_says) {
    const server_options defaults;
    EXPECT_EQ(defaults.header_timeout, 10s);
    EXPECT_EQ(defaults.idle_timeout, 60s);
    EXPECT_EQ(defaults.rate_bytes_per_s_min, 1024u);
    EXPECT_EQ(defaults.rate_grace, 30s);
    EXPECT_EQ(defaults.header_bytes_max, 16u << 10);
    EXPECT_EQ(defaults.header_fields_max, 100u);
}

TEST(server_caps, an_idle_connection_makes_room) {
    server_options options;
    options.connections_max = 2;
    running_server server(hello, options);
    raw_client oldest(server.port());
    EXPECT_EQ(oldest.ask(ask_hello).status, 200);
    raw_client second(server.port());
    EXPECT_EQ(second.ask(ask_hello).status, 200);
    raw_client third(server.port());
    EXPECT_EQ(third.ask(ask_hello).status, 200);
    EXPECT_TRUE(oldest.closed_silently());
    EXPECT_EQ(second.ask(ask_hello).status, 200);
}

TEST(server_caps, turns_one_peer_away_beyond_its_share) {
    server_options options;
    options.connections_per_peer_max = 1;
    running_server server(hello, options);
    raw_client first(server.port());
    EXPECT_EQ(first.ask(ask_hello).status, 200);
    EXPECT_EQ(raw_client(server.port()).receive().status, 503);
    EXPECT_EQ(server.metric("vora_http_refused_total{"),
              "vora_http_refused_total{reason=\"peer_connections_max\",server=\"test\"} 1");
    EXPECT_EQ(first.ask(ask_hello).status, 200);
    first.close();
    server.await_metric("vora_http_connections_open{server=\"test\"} 0");
    EXPECT_EQ(raw_client(server.port()).ask(ask_hello).status, 200);
}

TEST(server_log, has_one_line_a_request_without_query_and_grant) {
    const std::string path =
        ::testing::TempDir() + "/net_server_log_" + std::to_string(::getpid()) + "/log";
    {
        running_server server(
            [](router& routes) {
                hello(routes);
                routes.add("GET", "/play/{grant}/{rest...}", [](request&) -> task<response> {
                    co_return response::text(200, "segment");
                });
            },
            {}, obs::logger::to_file(path, obs::level::info, 1 << 20, 1));
        raw_client client(server.port());
        client.ask("GET /play/SECRET1/v/seg_01.ts?token=SECRET2 HTTP/1.1\r\n" + host +
                   "X-Request-Id: traced\r\n" + end);
        client.ask("GET /play/SECRET3 HTTP/1.1\r\n" + host + end);
        client.ask("GET /hello?grant=SECRET4 HTTP/1.1\r\n" + host + end);
        client.ask("GET /hello?grant=SECRET5 HTTP/9\r\n" + host + end);
        EXPECT_EQ(server.metric("vora_http_requests_total{method=\"GET\",route=\"/hello\""),
                  "vora_http_requests_total{method=\"GET\",route=\"/hello\",server=\"test\","
                  "status=\"2xx\"} 1");
        EXPECT_EQ(server.metric("vora_http_requests_total{method=\"GET\",route=\"none\""),
                  "vora_http_requests_total{method=\"GET\",route=\"none\",server=\"test\","
                  "status=\"4xx\"} 1");
    }
    std::stringstream all;
    all << std::ifstream(path).rdbuf();
    const std::string log = all.str();
    EXPECT_EQ(log.find("SECRET"), std::string::npos) << log;
    EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 4) << log;
    EXPECT_NE(log.find("\"path\":\"/play/{grant}/v/seg_01.ts\",\"status\":200,\"bytes\":7"),
              std::string::npos)
        << log;
    EXPECT_NE(log.find("\"request_id\":\"traced\""), std::string::npos);
    EXPECT_NE(log.find("\"reason\":\"bad_version\""), std::string::npos);
}

}  // namespace
}  // namespace vora::net
