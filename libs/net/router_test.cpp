#include "libs/net/router.hpp"

#include "libs/base/async.hpp"

#include <gtest/gtest.h>

namespace vora::net {
namespace {

handler answering(std::string text) {
    return [text](request&) -> task<response> { co_return response::text(200, text); };
}

response ask(const router& routes, request r) {
    event_loop loop;
    return loop.run_until_done(routes.dispatch(r));
}

response ask(const router& routes, std::string method, std::string path) {
    request r;
    r.method = std::move(method);
    r.path = std::move(path);
    return ask(routes, std::move(r));
}

TEST(router, prefers_the_most_particular_pattern) {
    router routes;
    routes.add("GET", "/{rest...}", answering("rest"));
    routes.add("GET", "/v1/{id}", answering("param"));
    routes.add("GET", "/v1/fixed", answering("literal"));
    routes.add("GET", "/v1/{id}/tail", answering("longer"));
    EXPECT_EQ(ask(routes, "GET", "/v1/fixed").body, "literal");
    EXPECT_EQ(ask(routes, "GET", "/v1/other").body, "param");
    EXPECT_EQ(ask(routes, "GET", "/v1/other/tail").body, "longer");
    EXPECT_EQ(ask(routes, "GET", "/v1/fixed/tail").body, "longer");
    EXPECT_EQ(ask(routes, "GET", "/").body, "rest");
    EXPECT_EQ(ask(routes, "GET", "/v1/").body, "rest");
    EXPECT_EQ(ask(routes, "GET", "/v1/a/b/c").body, "rest");
}

TEST(router, fills_parameters) {
    router routes;
    routes.add("GET", "/play/{grant}/{path...}", answering("x"));
    auto m = routes.find("GET", "/play/abc/1080p/seg_01.ts");
    ASSERT_NE(m.h, nullptr);
    EXPECT_EQ(m.params[0], (std::pair<std::string, std::string>("grant", "abc")));
    EXPECT_EQ(m.params[1], (std::pair<std::string, std::string>("path", "1080p/seg_01.ts")));
    EXPECT_EQ(routes.find("GET", "/play/abc").h, nullptr);
    EXPECT_EQ(routes.find("GET", "/play//x").h, nullptr);
}

TEST(router, tells_the_allowed_methods) {
    router routes;
    routes.add("GET", "/a", answering("x"));
    routes.add("POST", "/a", answering("x"));
    auto answer = ask(routes, "DELETE", "/a");
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers.get("Allow"), "GET, HEAD, POST");
    EXPECT_EQ(ask(routes, "OPTIONS", "/a").status, 405);
    EXPECT_EQ(ask(routes, "GET", "/b").status, 404);
}

TEST(router, head_falls_back_to_get) {
    router routes;
    routes.add("GET", "/a", answering("get"));
    routes.add("GET", "/b", answering("get"));
    routes.add("HEAD", "/b", answering("head"));
    EXPECT_EQ(ask(routes, "HEAD", "/a").body, "get");
    EXPECT_EQ(ask(routes, "HEAD", "/b").body, "head");
}

TEST(router, overrides_the_method_only_where_allowed_and_before_the_hooks) {
    router routes;
    std::string seen;
    routes.before([&seen](request& r) -> task<std::optional<response>> {
        seen = r.method;
        co_return std::nullopt;
    });
    routes.add("PATCH", "/files/{id}", answering("patched"), {.method_override = true});
    routes.add("POST", "/files/{id}", answering("posted"));
    routes.add("DELETE", "/files/{id}", answering("deleted"));
    request r;
    r.method = "POST";
    r.path = "/files/1";
    r.headers.set("X-HTTP-Method-Override", "PATCH");
    EXPECT_EQ(ask(routes, r).body, "patched");
    EXPECT_EQ(seen, "PATCH");
    r.headers.set("X-HTTP-Method-Override", "DELETE");
    EXPECT_EQ(ask(routes, r).body, "posted");
}

TEST(router, a_hook_ends_the_request) {
    router routes;
    routes.add("GET", "/a", answering("x"));
    routes.before(
        [](request&) -> task<std::optional<response>> { co_return response::empty(401); });
    EXPECT_EQ(ask(routes, "GET", "/a").status, 401);
    EXPECT_EQ(ask(routes, "GET", "/unknown").status, 401);
}

TEST(router, hooks_of_a_merged_router_guard_its_own_paths_only) {
    router inner;
    inner.add("GET", "/inner/{id}", answering("inner"));
    inner.before([](request&) -> task<std::optional<response>> { co_return response::empty(401); });
    router outer;
    outer.add("GET", "/outer", answering("outer"));
    outer.merge(std::move(inner));
    router top;
    top.add("GET", "/top", answering("top"));
    top.merge(std::move(outer));
    EXPECT_EQ(ask(top, "GET", "/outer").status, 200);
    EXPECT_EQ(ask(top, "GET", "/top").status, 200);
    EXPECT_EQ(ask(top, "GET", "/inner/1").status, 401);
    EXPECT_EQ(ask(top, "DELETE", "/inner/1").status, 401);
    EXPECT_EQ(ask(top, "GET", "/none").status, 404);
}

TEST(router, refuses_a_declared_body_beyond_the_limit) {
    router routes;
    bool called = false;
    routes.add("POST", "/a",
               [&called](request&) -> task<response> {
                   called = true;
                   co_return response::empty(204);
               },
               {.body_bytes_max = 3});
    request r;
    r.method = "POST";
    r.path = "/a";
    auto body = body_of("four");
    r.body = body.get();
    EXPECT_EQ(ask(routes, r).status, 413);
    EXPECT_FALSE(called);
}

class endless_body final : public body_reader {
 public:
    task<result<std::size_t>> read(std::span<char> into) override { co_return into.size(); }
    std::optional<std::uint64_t> length() const override { return std::nullopt; }
};

TEST(router, stops_a_body_of_unknown_length_at_the_limit) {
    router routes;
    std::string reason;
    routes.add("POST", "/a",
               [&reason](request& r) -> task<response> {
                   auto all = co_await read_all(*r.body, 1 << 30);
                   reason = all ? "" : all.error().reason;
                   co_return response::empty(204);
               },
               {.body_bytes_max = 100'000});
    request r;
    r.method = "POST";
    r.path = "/a";
    endless_body body;
    r.body = &body;
    ask(routes, r);
    EXPECT_EQ(reason, "body_too_large");
}

TEST(router, turns_an_exception_into_a_500_problem) {
    router routes;
    routes.add("GET", "/a", [](request&) -> task<response> {
        throw std::runtime_error("secret detail");
        co_return response::empty(204);
    });
    auto answer = ask(routes, "GET", "/a");
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body.find("secret"), std::string::npos);
    EXPECT_NE(answer.log_detail.find("secret detail"), std::string::npos);
}

task<> serve_into(const router& routes, request& r, int& status) {
    auto answer = co_await routes.dispatch(r);
    status = answer.status;
}

task<> stop_soon(task_group& group) {
    co_await sleep_for(std::chrono::milliseconds(1));
    co_await group.stop();
}

TEST(router, lets_a_cancellation_through) {
    router routes;
    routes.add("GET", "/a", [](request&) -> task<response> {
        co_await sleep_for(std::chrono::hours(1));
        co_return response::empty(204);
    });
    event_loop loop;
    task_group group(loop.executor());
    request r;
    r.method = "GET";
    r.path = "/a";
    int status = 0;
    group.spawn(serve_into(routes, r, status));
    loop.run_until_done(stop_soon(group));
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vora::net
