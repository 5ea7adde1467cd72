#include "services/metadata/adapters/upload_service_client.hpp"

#include "libs/base/async.hpp"
#include "libs/net/server.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

// A real server that answers what the test says.
struct upload_client : testing::Test {
    event_loop loop;
    obs::metrics metrics;
    int status = 200;
    std::string body;
    std::string seen;
    net::server server{loop.executor(), {}, routes(), {}, metrics};
    net::client http{loop.executor()};

    net::router routes() {
        net::router router;
        for (const auto* method : {"GET", "DELETE"}) {
            router.add(method, "/internal/{rest...}", [this](net::request& r) { return reply(r); });
        }
        return router;
    }
    task<net::response> reply(net::request& r) {
        seen = r.method + " " + r.raw_path + " " +
               std::string(r.query_value("reference").value_or("")) + " " +
               std::string(r.headers.get("Authorization").value_or(""));
        co_return net::response::json(status, body);
    }
    void SetUp() override { ASSERT_TRUE(server.start()); }
    void TearDown() override {
        http.close();
        loop.run_until_done(server.stop());
    }
    upload_service_client client() {
        return {http, {"http://" + server.address(), "secret", 2'000ms}};
    }
};

constexpr const char* finished =
    R"({"upload_id":"u1","state":"finished","offset":5,"length":5,"reference":"v.x",)"
    R"("object_key":"u1/original.mp4","created_at":"x","expires_at":"x"})";

TEST_F(upload_client, reads_what_the_contract_says) {
    body = finished;
    auto c = client();
    const auto u = loop.run_until_done(c.find(upload_id{"u1"}));
    ASSERT_TRUE(u);
    EXPECT_EQ(u->status, upload_status::finished);
    EXPECT_EQ(u->size_bytes, 5);
    EXPECT_EQ(u->reference, "v.x");
    EXPECT_EQ(u->object_key, "u1/original.mp4");
    EXPECT_EQ(seen, "GET /internal/uploads/u1  Bearer secret");
}

TEST_F(upload_client, lists_by_reference_and_removes) {
    auto c = client();
    body = std::string(R"({"uploads":[)") + finished + "]}";
    EXPECT_EQ(loop.run_until_done(c.with_reference("v.a b&c"))->size(), 1u);
    EXPECT_EQ(seen, "GET /internal/uploads v.a b&c Bearer secret");
    status = 204;
    body.clear();
    EXPECT_TRUE(loop.run_until_done(c.remove(upload_id{"u1"})));
    status = 404;
    EXPECT_TRUE(loop.run_until_done(c.remove(upload_id{"u1"}))) << "gone is gone";
}

TEST_F(upload_client, an_answer_outside_the_contract_is_no_answer) {
    auto c = client();
    for (const auto* bad :
         {"", "[]", "{}", R"({"upload_id":"u1","state":"surplus","offset":5,"reference":"v"})",
          R"({"upload_id":"u1","state":"finished","offset":5,"reference":"v"})",
          R"({"upload_id":"u1","state":"open","offset":-5,"reference":"v"})",
          R"({"upload_id":"other","state":"open","offset":5,"reference":"v"})",
          R"({"upload_id":7,"state":"open","offset":5,"reference":"v"})"}) {
        body = bad;
        const auto r = loop.run_until_done(c.find(upload_id{"u1"}));
        ASSERT_FALSE(r) << bad;
        EXPECT_EQ(r.error().reason, "upload_service_bad_answer");
        EXPECT_FALSE(loop.run_until_done(c.with_reference("v")));
    }
}

TEST_F(upload_client, a_service_in_trouble_or_gone_is_unavailable_and_404_is_an_answer) {
    auto c = client();
    body = "{}";
    for (const int trouble : {500, 503, 429, 401}) {
        status = trouble;
        EXPECT_EQ(loop.run_until_done(c.find(upload_id{"u1"})).error().code, errc::unavailable);
    }
    status = 404;
    EXPECT_EQ(loop.run_until_done(c.find(upload_id{"u1"})).error().code, errc::not_found);
    loop.run_until_done(server.stop());
    EXPECT_EQ(loop.run_until_done(c.find(upload_id{"u1"})).error().code, errc::unavailable);
}

}  // namespace
}  // namespace vora::metadata
