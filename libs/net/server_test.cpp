#include "libs/net/server.hpp"

#include "libs/net/gate_probes.hpp"
#include "libs/net/problem.hpp"
#include "libs/net/server_fixture.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace vora::net {
namespace {

using namespace std::chrono_literals;

const std::string host = "Host: h\r\n";
const std::string end = "\r\n";

void hello(router& routes) {
    routes.add("GET", "/hello",
               [](request&) -> task<response> { co_return response::text(200, "hello"); });
}

// Answers with what it read, or with the problem that reading ended in.
task<response> echo(request& r) {
    auto all = co_await read_all(*r.body, 8 << 20);
    if (!all) {
        co_return problem(r, all.error());
    }
    co_return response::text(200, *all);
}

void echoing(router& routes) {
    hello(routes);
    routes.add("POST", "/echo", echo, {.streams_body = true});
}

TEST(server, answers_with_the_fields_every_answer_has) {
    running_server server(hello);
    raw_client client(server.port());
    auto answer = client.ask("GET /hello HTTP/1.1\r\n" + host + "X-Request-Id: my.id-1\r\n" + end);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.field("X-Request-Id"), "my.id-1");
    EXPECT_EQ(answer.field("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer.field("Content-Length"), "5");
    EXPECT_EQ(answer.field("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(answer.field("Connection"), "");
    EXPECT_FALSE(answer.field("Date").empty());
}

TEST(server, replaces_a_request_id_that_is_not_sane) {
    running_server server(hello);
    raw_client client(server.port());
    for (const std::string& id :
         {std::string(), std::string("a b"), std::string("<script>"), std::string(65, 'a')}) {
        auto answer =
            client.ask("GET /hello HTTP/1.1\r\n" + host + "X-Request-Id: " + id + "\r\n" + end);
        EXPECT_EQ(answer.status, 200);
        EXPECT_NE(answer.field("X-Request-Id"), id);
        EXPECT_FALSE(answer.field("X-Request-Id").empty());
    }
}

TEST(server, refuses_every_probe_and_never_answers_what_follows) {
    std::atomic<int> served = 0;
    running_server server([&](router& routes) {
        for (const char* method : {"GET", "POST"}) {
            routes.add(method, "/{rest...}", [&](request&) -> task<response> {
                ++served;
                co_return response::text(200, "never");
            });
        }
    });
    const std::string second = "GET /second HTTP/1.1\r\n" + host + end;
    for (const auto& p : all_probes()) {
        raw_client client(server.port());
        client.send(p.raw + second + second);
        auto answer = client.receive();
        EXPECT_EQ(answer.status, p.status) << p.name;
        EXPECT_EQ(answer.field("Connection"), "close") << p.name;
        EXPECT_EQ(answer.field("Content-Type"), "application/problem+json") << p.name;
        EXPECT_NE(answer.body.find("\"code\":\"" + p.reason + "\""), std::string::npos) << p.name;
        client.end_sending();
        EXPECT_EQ(client.receive_all(), "") << p.name;
        EXPECT_TRUE(client.ended()) << p.name;
    }
    EXPECT_EQ(served, 0);
    EXPECT_EQ(server.metric("vora_http_refused_total{reason=\"bare_lf\""),
              "vora_http_refused_total{reason=\"bare_lf\",server=\"test\"} 3");
}

TEST(server, answers_pipelined_requests_in_order) {
    running_server server(echoing);
    raw_client client(server.port());
    client.send("POST /echo HTTP/1.1\r\n" + host + "Content-Length: 3\r\n" + end + "one" +
                "GET /hello HTTP/1.1\r\n" + host + end + "POST /echo HTTP/1.1\r\n" + host +
                "Transfer-Encoding: chunked\r\n" + end + "3\r\ntwo\r\n0\r\n\r\n" +
                "GET /hello HTTP/1.1\r\n" + host + "Connection: close\r\n" + end);
    EXPECT_EQ(client.receive().body, "one");
    EXPECT_EQ(client.receive().body, "hello");
    EXPECT_EQ(client.receive().body, "two");
    EXPECT_EQ(client.receive().body, "hello");
    EXPECT_TRUE(client.closed_silently());
}

TEST(server, takes_a_head_byte_by_byte) {
    running_server server(echoing);
    raw_client client(server.port());
    const std::string raw = "POST /echo HTTP/1.1\r\n" + host +
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n";
    for (const char c : raw) {
        ASSERT_TRUE(client.send({&c, 1}));
    }
    EXPECT_EQ(client.receive().body, "abc");
    EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + host + end).status, 200);
}

TEST(server, drops_trailers) {
    running_server server([](router& routes) {
        routes.add("POST", "/", [](request& r) -> task<response> {
            auto all = co_await read_all(*r.body, 100);
            co_return response::text(200, r.headers.get("Authorization") ? "merged" : "dropped");
        });
    });
    raw_client client(server.port());
    auto answer = client.ask("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" + end +
                             "1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n");
    EXPECT_EQ(answer.body, "dropped");
}

TEST(server, closes_after_a_malformed_chunk_and_never_answers_what_follows) {
    running_server server(echoing);
    for (const std::string body : {"5\nhello\r\n0\r\n\r\n", "g\r\n\r\n", "3\r\nabcX\r\n0\r\n\r\n",
                                   "ffffffffffffffff1\r\n", "0\r\nbad trailer\r\n\r\n"}) {
        raw_client client(server.port());
        client.send("POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n" + end +
                    body + "GET /hello HTTP/1.1\r\n" + host + end);
        auto answer = client.receive();
        EXPECT_EQ(answer.status, 400) << body;
        EXPECT_NE(answer.body.find("bad_chunk"), std::string::npos) << body;
        client.end_sending();
        EXPECT_EQ(client.receive_all(), "") << body;
    }
}

TEST(server, head_has_the_length_but_not_the_body) {
    running_server server(hello);
    raw_client client(server.port());
    client.send("HEAD /hello HTTP/1.1\r\n" + host + end);
    auto answer = client.receive(true);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.field("Content-Length"), "5");
    EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + host + end).body, "hello");
}

TEST(server, a_method_override_to_head_still_answers_like_post) {
    running_server server([](router& routes) {
        routes.add("HEAD", "/",
                   [](request& r) -> task<response> { co_return response::text(200, r.method); },
                   {.method_override = true});
        hello(routes);
    });
    raw_client client(server.port());
    auto answer =
        client.ask("POST / HTTP/1.1\r\n" + host + "X-HTTP-Method-Override: HEAD\r\n" + end);
    EXPECT_EQ(answer.body, "HEAD");
    EXPECT_EQ(client.ask("GET /hello HTTP/1.1\r\n" + host + end).body, "hello");
}

TEST(server, sends_no_length_with_204) {
    running_server server([](router& routes) {
        routes.add("GET", "/", [](request&) -> task<response> {
            auto answer = response::empty(204);
            answer.body = "must not be sent";
            co_return answer;
        });
    });
    raw_client client(server.port());
    auto answer = client.ask("GET / HTTP/1.1\r\n" + host + "Connection: close\r\n" + end);
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.field("Content-Length"), "");
    EXPECT_EQ(client.receive_all(), "");
}

TEST(server, answers_options_asterisk) {
    running_server server(hello);
    raw_client client(server.port());
    EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\n" + host + end).status, 204);
}

TEST(server, answers_http_1_0_and_closes) {
    running_server server(hello);
    raw_client client(server.port());
    auto answer = client.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.field("Connection"), "close");
    EXPECT_TRUE(client.closed_silently());
}

TEST(server, says_continue_only_when_the_handler_reads) {
    running_server server([](router& routes) {
        echoing(routes);
        routes.add("POST", "/refuse",
                   [](request& r) -> task<response> { co_return problem(r, 403, "no", "no"); });
    });
    const std::string expect = host + "Expect: 100-continue\r\nContent-Length: 3\r\n" + end;
    raw_client reading(server.port());
    EXPECT_EQ(reading.ask("POST /echo HTTP/1.1\r\n" + expect).status, 100);
    EXPECT_EQ(reading.ask("abc").body, "abc");

    raw_client refused(server.port());
    auto answer = refused.ask("POST /refuse HTTP/1.1\r\n" + expect);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.field("Connection"), "close");
    refused.end_sending();
    EXPECT_TRUE(refused.closed_silently());
}

TEST(server, does_not_say_continue_to_a_client_that_did_not_wait) {
    running_server server(echoing);
    raw_client client(server.port());
    auto answer = client.ask("POST /echo HTTP/1.1\r\n" + host +
                             "Expect: 100-continue\r\nContent-Length: 3\r\n" + end + "abc");
    EXPECT_EQ(answer.status, 200);
}

TEST(server, tells_a_handler_that_the_body_broke_off) {
    std::promise<std::string> reason;
    running_server server([&](router& routes) {
        routes.add("POST", "/", [&](request& r) -> task<response> {
            auto all = co_await read_all(*r.body, 100);
            reason.set_value(all ? "none" : all.error().reason);
            co_return response::empty(204);
        });
    });
    raw_client client(server.port());
    client.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 10\r\n" + end + "half");
    client.close();
    EXPECT_EQ(reason.get_future().get(), "body_interrupted");
}

TEST(server, ignores_no_header_injection_of_a_handler) {
    running_server server([](router& routes) {
        routes.add("GET", "/", [](request&) -> task<response> {
            auto answer = response::text(200, "x");
            answer.headers.set("X-Bad", "a\r\nSet-Cookie: evil=1");
            answer.headers.set("Content-Length", "999");
            answer.headers.set("Transfer-Encoding", "chunked");
            co_return answer;
        });
    });
    raw_client client(server.port());
    auto answer = client.ask("GET / HTTP/1.1\r\n" + host + end);
    EXPECT_EQ(answer.head.find("evil"), std::string::npos);
    EXPECT_EQ(answer.field("Content-Length"), "1");
    EXPECT_EQ(answer.field("Transfer-Encoding"), "");
}

task<response> tell_peer(request& r) {
    const bool forwarded = r.headers.get("X-Forwarded-For").has_value();
    co_return response::text(200, r.scheme + ' ' + r.peer + (forwarded ? " seen" : " removed"));
}

TEST(server, believes_forwarded_fields_from_listed_peers_only) {
    const auto fill = [](router& routes) { routes.add("GET", "/", tell_peer); };
    const std::string ask = "GET / HTTP/1.1\r\n" + host +
                            "X-Forwarded-For: 10.0.0.1, 192.0.2.7, 10.9.9.9\r\n"
                            "X-Forwarded-Proto: https\r\n" +
                            end;
    running_server plain(fill);
    EXPECT_EQ(raw_client(plain.port()).ask(ask).body, "http 127.0.0.1 removed");
    server_options options;
    options.trusted_proxies = {"127.0.0.1", "10.9.9.9"};
    running_server behind(fill, options);
    EXPECT_EQ(raw_client(behind.port()).ask(ask).body, "https 192.0.2.7 seen");
}

task<> stop(server& s) {
    co_await s.stop();
}

TEST(server, keeps_connections_waiting_between_bind_and_start) {
    event_loop loop;
    obs::metrics registry;
    server s(loop.executor(), {}, router(), obs::logger(), registry);
    ASSERT_TRUE(s.bind());
    const std::string address = s.address();
    raw_client client(
        static_cast<std::uint16_t>(*parse_uint(address.substr(address.rfind(':') + 1))));
    EXPECT_TRUE(client.connected());
    client.send("GET /hello HTTP/1.1\r\n" + host + "Connection: close\r\n" + end);
    router routes;
    hello(routes);
    s.set_routes(std::move(routes));
    ASSERT_TRUE(s.start());
    EXPECT_EQ(s.address(), address);
    std::thread runner([&] { loop.run(); });
    EXPECT_EQ(client.receive().body, "hello");
    loop.stop();
    runner.join();
    loop.run_until_done(stop(s));
}

TEST(server, tells_why_it_cannot_start) {
    running_server first(hello);
    event_loop loop;
    obs::metrics registry;
    const auto try_start = [&](const std::string& address) {
        server_options options;
        options.address = address;
        server s(loop.executor(), options, router(), obs::logger(), registry);
        auto r = s.start();
        return r ? std::string("started") : r.error().reason;
    };
    EXPECT_EQ(try_start(first.address()), "port_in_use");
    for (const std::string bad : {"", "nonsense", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"}) {
        EXPECT_EQ(try_start(bad), "bad_address") << bad;
    }
}

}  // namespace
}  // namespace vora::net
