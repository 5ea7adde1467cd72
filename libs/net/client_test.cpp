#include "libs/net/client.hpp"

#include "libs/net/server_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace vora::net {
namespace {

using namespace std::chrono_literals;

// Speaks prepared bytes: one text per connection; it is sent as soon as a request head has arrived,
// then the connection is closed.
class canned_server {
 public:
    explicit canned_server(std::vector<std::string> answers) : answers_(std::move(answers)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(fd_, reinterpret_cast<sockaddr*>(&at), size);
        ::listen(fd_, 8);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
        url_ = "http://127.0.0.1:" + std::to_string(ntohs(at.sin_port));
        thread_ = std::thread([this] { run(); });
    }
    ~canned_server() {
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        ::close(fd_);
    }
    std::string url(const std::string& target) const { return url_ + target; }
    int connections() const { return connections_; }

 private:
    void run() {
        for (const auto& answer : answers_) {
            const int peer = ::accept(fd_, nullptr, nullptr);
            if (peer < 0) {
                return;
            }
            ++connections_;
            std::string got;
            char piece[4096];
            while (got.find("\r\n\r\n") == std::string::npos) {
                const auto n = ::recv(peer, piece, sizeof piece, 0);
                if (n <= 0) {
                    break;
                }
                got.append(piece, static_cast<std::size_t>(n));
            }
            ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
            ::close(peer);
        }
    }

    std::vector<std::string> answers_;
    int fd_ = -1;
    std::string url_;
    std::atomic<int> connections_ = 0;
    std::thread thread_;
};

result<client_response> ask(client& c, event_loop& loop, client_request r) {
    return loop.run_until_done(c.send(std::move(r)));
}

result<client_response> ask_once(client_request r) {
    event_loop loop;
    client c(loop.executor());
    return ask(c, loop, std::move(r));
}

std::string reason_of(const result<client_response>& r) {
    return r ? "answered " + std::to_string(r->status) : r.error().reason;
}

task<response> echo(request& r) {
    auto all = co_await read_all(*r.body, 16 << 20);
    auto answer = response::text(200, all ? *all : all.error().reason);
    answer.headers.set("X-Method", r.method);
    answer.headers.set("X-Query", std::string(r.query_value("q").value_or("none")));
    answer.headers.set("X-Extra", std::string(r.headers.get("X-Extra").value_or("none")));
    co_return answer;
}

void echoing(router& routes) {
    for (const char* method : {"GET", "POST", "PATCH", "DELETE"}) {
        routes.add(method, "/echo", echo, {.streams_body = true});
    }
}

TEST(client, sends_method_query_headers_and_body) {
    running_server server(echoing);
    client_request r;
    r.method = "PATCH";
    r.url = server.url("/echo?q=a%20b");
    r.headers.set("X-Extra", "extra");
    r.body = "body";
    auto answer = ask_once(r);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "body");
    EXPECT_EQ(answer->headers.get("x-method"), "PATCH");
    EXPECT_EQ(answer->headers.get("X-Query"), "a b");
    EXPECT_EQ(answer->headers.get("X-Extra"), "extra");
}

TEST(client, uses_one_connection_again) {
    running_server server(echoing);
    event_loop loop;
    client c(loop.executor());
    for (int i = 0; i < 5; ++i) {
        client_request r;
        r.method = i % 2 == 0 ? "POST" : "GET";
        r.url = server.url("/echo");
        ASSERT_TRUE(ask(c, loop, r));
        EXPECT_EQ(server.metric("vora_http_connections_open"),
                  "vora_http_connections_open{server=\"test\"} 1");
    }
    c.close();
    server.await_metric("vora_http_connections_open{server=\"test\"} 0");
}

server_options impatient() {
    server_options options;
    options.drain_timeout = 1ms;
    return options;
}

class made_body final : public body_source {
 public:
    explicit made_body(std::uint64_t total) : left_(total) {}
    task<result<std::size_t>> read(std::span<char> into) override {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
        std::memset(into.data(), 'y', n);
        left_ -= n;
        co_return n;
    }
    std::uint64_t left() const { return left_; }

 private:
    std::uint64_t left_;
};

TEST(client, streams_a_body_and_tells_how_far_it_is) {
    running_server server(echoing);
    made_body body(5'000'000);
    client_request r;
    r.method = "POST";
    r.url = server.url("/echo");
    r.stream = &body;
    r.stream_length = 5'000'000;
    r.body_bytes_max = 8 << 20;
    std::vector<std::uint64_t> told;
    r.on_sent = [&](std::uint64_t n) { told.push_back(n); };
    auto answer = ask_once(r);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, std::string(5'000'000, 'y'));
    ASSERT_FALSE(told.empty());
    EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
    EXPECT_EQ(told.back(), 5'000'000u);
}

TEST(client, reads_an_answer_that_comes_before_the_body_is_sent) {
    running_server server([](router& routes) {
        routes.add("POST", "/",
                   [](request&) -> task<response> { co_return response::text(409, "no"); },
                   {.streams_body = true});
    });
    made_body body(1ull << 40);
    client_request r;
    r.method = "POST";
    r.url = server.url("/");
    r.stream = &body;
    r.stream_length = 1ull << 40;
    auto answer = ask_once(r);
    ASSERT_TRUE(answer) << answer.error().reason;
    EXPECT_EQ(answer->status, 409);
    EXPECT_GT(body.left(), 0u);
}

TEST(client, fails_when_the_source_ends_early) {
    running_server server(echoing);
    made_body body(10);
    client_request r;
    r.method = "POST";
    r.url = server.url("/echo");
    r.stream = &body;
    r.stream_length = 11;
    EXPECT_EQ(reason_of(ask_once(r)), "body_cut_short");
}

TEST(client, tries_again_once_when_a_kept_connection_is_dead) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    canned_server server({ok, ok});
    event_loop loop;
    client c(loop.executor());
    client_request r;
    r.url = server.url("/");
    ASSERT_TRUE(ask(c, loop, r));
    auto second = ask(c, loop, r);
    ASSERT_TRUE(second) << second.error().reason;
    EXPECT_EQ(server.connections(), 2);
}

TEST(client, does_not_try_again_on_a_new_connection) {
    canned_server server({"", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
    client_request r;
    r.url = server.url("/");
    EXPECT_EQ(reason_of(ask_once(r)), "connection_lost");
    EXPECT_EQ(server.connections(), 1);
}

TEST(client, understands_chunked_answers_and_answers_without_length) {
    canned_server server({
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "HTTP/1.0 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 204 No Content\r\n\r\n",
    });
    client_request r;
    r.url = server.url("/");
    EXPECT_EQ(ask_once(r)->body, "abcde");
    EXPECT_EQ(ask_once(r)->body, "until the end");
    EXPECT_EQ(ask_once(r)->status, 404);
    EXPECT_EQ(ask_once(r)->status, 204);
}

TEST(client, refuses_answers_that_are_not_sound) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"SSH-2.0-OpenSSH\r\n\r\n", "bad_answer"},
        {"HTTP/1.1 2xx OK\r\n\r\n", "bad_answer"},
        {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad_answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "bad_answer"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "bad_answer"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "connection_lost"},
        {"HTTP/1.1 200 OK\r\nA: " + std::string(70'000, 'b') + "\r\n\r\n", "bad_answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "answer_too_large"},
        {"HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), "answer_too_large"},
    };
    for (const auto& [raw, reason] : cases) {
        canned_server server({raw});
        client_request r;
        r.url = server.url("/");
        r.body_bytes_max = 100;
        EXPECT_EQ(reason_of(ask_once(r)), reason) << raw.substr(0, 60);
    }
}

TEST(client, gives_up_at_the_deadline) {
    running_server server(
        [](router& routes) {
            routes.add("GET", "/", [](request&) -> task<response> {
                co_await sleep_for(1h);
                co_return response::empty(204);
            });
        },
        impatient());
    client_request r;
    r.url = server.url("/");
    r.deadline = 30ms;
    auto answer = ask_once(r);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, errc::deadline_exceeded);
}

TEST(client, says_when_nobody_listens) {
    std::string url;
    {
        canned_server gone({});
        url = gone.url("/");
    }
    client_request r;
    r.url = url;
    EXPECT_EQ(reason_of(ask_once(r)), "connect_failed");
}

TEST(client, refuses_urls_and_headers_it_cannot_send) {
    for (const std::string url :
         {"", "https://h/", "ftp://h/", "http://", "http://:80/", "http://h:0/", "http://h:x/",
          "http://h:70000/", "http://u@h/", "http://h/a b", "http://h/a\r\nX: y", "http://h/#f"}) {
        client_request r;
        r.url = url;
        EXPECT_EQ(reason_of(ask_once(r)), "bad_url") << url;
    }
    client_request r;
    r.url = "http://127.0.0.1:1/";
    r.headers.set("X", "a\r\nY: b");
    EXPECT_EQ(reason_of(ask_once(r)), "bad_header");
}

TEST(client, sends_bytes_that_lie_in_memory) {
    running_server server(echoing);
    const std::string bytes(3'000'000, 'm');
    client_request r;
    r.method = "POST";
    r.url = server.url("/echo");
    r.memory = bytes;
    auto answer = ask_once(r);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->body == bytes);
}

task<result<std::string>> open_and_read(client& c, client_request r, std::size_t most) {
    auto answer = co_await c.open(std::move(r));
    if (!answer) {
        co_return fail(answer.error());
    }
    std::string all;
    std::vector<char> piece(1000);
    while (all.size() < most) {
        auto n = co_await (*answer)->read(piece);
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            break;
        }
        all.append(piece.data(), *n);
    }
    co_return all;
}

client_request echo_of(const running_server& server, const std::string& body) {
    client_request r;
    r.method = "POST";
    r.url = server.url("/echo");
    r.body = body;
    return r;
}

TEST(client, brings_an_answer_as_a_stream_and_keeps_the_connection_at_its_end) {
    running_server server(echoing);
    event_loop loop;
    client c(loop.executor());
    const std::string body(300'000, 's');
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(loop.run_until_done(open_and_read(c, echo_of(server, body), 1 << 20)), body);
    }
    EXPECT_EQ(server.metric("vora_http_connections_total"),
              "vora_http_connections_total{server=\"test\"} 1");
    EXPECT_TRUE(loop.run_until_done(open_and_read(c, echo_of(server, body), 1)));
    EXPECT_TRUE(loop.run_until_done(open_and_read(c, echo_of(server, body), 1 << 20)));
    EXPECT_EQ(server.metric("vora_http_connections_total"),
              "vora_http_connections_total{server=\"test\"} 2");
}

TEST(client, says_when_a_streamed_answer_ends_too_early_or_never) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "connection_lost"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_answer"},
        {"HTTP/1.1 200 OK\r\n\r\nuntil when?", "bad_answer"},
        {"", "connection_lost"},
    };
    for (const auto& [raw, reason] : cases) {
        canned_server server({raw});
        event_loop loop;
        client c(loop.executor());
        client_request r;
        r.url = server.url("/");
        auto read = loop.run_until_done(open_and_read(c, r, 100));
        EXPECT_EQ(read ? "ok" : read.error().reason, reason) << raw;
    }
}

task<> send_for_ever(client& c, client_request r) {
    auto answer = co_await c.send(std::move(r));
    ADD_FAILURE() << "answered " << reason_of(answer);
}

task<> stop_soon(task_group& group) {
    co_await sleep_for(5ms);
    co_await group.stop();
}

TEST(client, passes_a_cancellation_on) {
    running_server server(
        [](router& routes) {
            routes.add("GET", "/", [](request&) -> task<response> {
                co_await sleep_for(1h);
                co_return response::empty(204);
            });
        },
        impatient());
    event_loop loop;
    client c(loop.executor());
    task_group group(loop.executor());
    client_request r;
    r.url = server.url("/");
    r.deadline = 1h;
    group.spawn(send_for_ever(c, r));
    loop.run_until_done(stop_soon(group));
    EXPECT_EQ(group.size(), 0u);
}

}  // namespace
}  // namespace vora::net
