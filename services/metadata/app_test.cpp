// The whole service: loopback sockets, a real database, its background loops; the engine is a
// double.

#include "services/metadata/app.hpp"

#include "contracts/activities/metadata.hpp"
#include "libs/auth/webhook.hpp"
#include "libs/durable/worker/activity.hpp"
#include "libs/net/client.hpp"
#include "libs/net/problem.hpp"
#include "libs/net/server.hpp"
#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::metadata {
namespace {

using nlohmann::json;

// Hands out the activity tasks it is given, and remembers how they ended.
class fake_activity_source final : public durable::activity_source {
 public:
    explicit fake_activity_source(executor ex) : wanted(ex), done(ex) {}
    task<result<std::optional<durable::activity_task>>> poll(std::string queue) override {
        EXPECT_EQ(queue, "metadata");
        if (waiting.empty()) {
            co_await wanted.wait(20ms);
        }
        if (waiting.empty()) {
            co_return std::nullopt;
        }
        auto next = std::move(waiting.front());
        waiting.erase(waiting.begin());
        co_return next;
    }
    task<result<bool>> heartbeat(std::string, std::string) override { co_return false; }
    task<result<void>> complete(std::string, durable::outcome<std::string> r) override {
        results.push_back(std::move(r));
        done.notify();
        co_return result<void>{};
    }
    task<durable::outcome<std::string>> run(std::string type, json input) {
        durable::activity_task t;
        t.task_token = "token";
        t.info.type = std::move(type);
        t.input = input.dump();
        t.start_to_close_timeout = 10s;
        waiting.push_back(std::move(t));
        wanted.notify();
        while (results.empty()) {
            co_await done.wait(10s);
        }
        auto r = std::move(results.front());
        results.clear();
        co_return r;
    }
    std::vector<durable::activity_task> waiting;
    std::vector<durable::outcome<std::string>> results;
    wake_signal wanted;
    wake_signal done;
};

// An upload service behind a real socket.
struct upload_server {
    upload_server(executor ex, obs::metrics& metrics) : server(ex, {}, routes(), {}, metrics) {
        EXPECT_TRUE(server.start());
    }
    static json show(const upload_view& u) {
        return {{"upload_id", u.id.value},  {"state", to_string(u.status)},
                {"offset", 1'000},          {"length", nullptr},
                {"reference", u.reference}, {"object_key", u.object_key}};
    }
    task<net::response> get(net::request& r) {
        auto u = co_await uploads.find(upload_id{std::string(r.param("id"))});
        if (r.headers.get("Authorization") != "Bearer internal-secret") {
            co_return net::problem(r, 401, "bad_secret", "");
        }
        co_return u ? net::response::json(200, show(*u).dump()) : net::problem(r, u.error());
    }
    task<net::response> list(net::request& r) {
        auto all = co_await uploads.with_reference(std::string(*r.query_value("reference")));
        auto entries = json::array();
        for (const auto& u : *all) {
            entries.push_back(show(u));
        }
        co_return net::response::json(200, json{{"uploads", entries}}.dump());
    }
    task<net::response> remove(net::request& r) {
        auto removed = co_await uploads.remove(upload_id{std::string(r.param("id"))});
        co_return removed ? net::response::empty(204) : net::problem(r, removed.error());
    }
    net::router routes() {
        net::router router;
        router.add("GET", "/internal/uploads/{id}", [this](net::request& r) { return get(r); });
        router.add("GET", "/internal/uploads", [this](net::request& r) { return list(r); });
        router.add("DELETE", "/internal/uploads/{id}",
                   [this](net::request& r) { return remove(r); });
        return router;
    }
    fake_upload_service uploads;
    net::server server;
};

struct whole_service : testing::Test {
    temporary_directory directory;
    event_loop loop;
    blocking_pool pool{4};
    system_clock_source clock;
    obs::metrics metrics;
    fake_durable_client engine;
    fake_activity_source source{loop.executor()};
    upload_server uploads{loop.executor(), metrics};
    net::client http{loop.executor()};
    auth::token_issuer issuer =
        std::move(*auth::token_issuer::load_or_create(directory.path / "issuer.pem"));
    config settings;
    std::unique_ptr<app> service;
    std::unique_ptr<net::server> server;

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    void SetUp() override {
        settings.database = "sqlite:" + (directory.path / "metadata.db").string();
        settings.upload_internal_url = "http://" + uploads.server.address();
        settings.internal_secret = "internal-secret";
        settings.hook_secret = "hook secret";
        settings.settle_interval = 1s;
    }
    void start() {
        auth::token_verifier verifier;
        ASSERT_TRUE(verifier.add_key(issuer.public_key_pem(), issuer.key_id()));
        service =
            std::make_unique<app>(loop.executor(), pool, clock, engine, source, std::move(verifier),
                                  auth::grant_keys::for_tests(), obs::logger(), metrics, settings);
        service->start();
        auto routes = service->public_routes();
        routes.merge(service->internal_routes());
        server = std::make_unique<net::server>(loop.executor(), net::server_options{},
                                               std::move(routes), obs::logger(), metrics);
        ASSERT_TRUE(server->start());
    }
    void stop() {
        run(server->stop());
        run(service->stop());
        server.reset();
        service.reset();
    }
    void TearDown() override {
        if (service) {
            stop();
        }
        http.close();
        run(uploads.server.stop());
    }
    net::client_response call(std::string method, const std::string& path, std::string body = "",
                              net::headers headers = {}) {
        net::client_request r;
        r.method = std::move(method);
        r.url = "http://" + server->address() + path;
        r.headers = std::move(headers);
        r.headers.set("Authorization",
                      "Bearer " + issuer.mint("anna", auth::scope::edit, clock.now(), 60s));
        r.body = std::move(body);
        return run(http.send(std::move(r))).value();
    }
    std::string create() {
        const auto r = call("POST", "/v1/videos", R"({"title":"t"})");
        EXPECT_EQ(r.status, 201) << r.body;
        return json::parse(r.body).value("id", "");
    }
    json show(const std::string& id) { return json::parse(call("GET", "/v1/videos/" + id).body); }
    // Lets the loops run until it holds.
    template <class Condition>
    bool eventually(Condition holds) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            run(sleep_for(5ms));
        }
        return true;
    }
};

TEST_F(whole_service, takes_a_video_from_its_creation_to_ready) {
    start();
    const auto id = create();
    uploads.uploads.put("u1", video_id{id}, upload_status::finished);
    const auto notice = call("POST", "/v1/videos/" + id + "/complete", R"({"upload_id":"u1"})");
    EXPECT_EQ(notice.status, 202) << notice.body;
    ASSERT_TRUE(eventually([&] { return engine.started.size() == 1; }));
    EXPECT_EQ(engine.started[0].workflow_id, "video-" + id + "-g1");

    contracts::mark_ready_input input;
    input.video_id = id;
    input.facts.width = 640;
    input.facts.height = 360;
    input.encoded.duration_s = 3;
    EXPECT_TRUE(run(source.run("mark_ready", input)));
    EXPECT_TRUE(run(source.run("mark_ready", input))) << "again, after a lost answer";
    EXPECT_EQ(show(id)["state"], "READY");
    EXPECT_EQ(show(id)["duration_s"], 3);

    input.generation = 2;
    const auto stale = run(source.run("mark_ready", input));
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().type, "stale_generation");
    EXPECT_TRUE(stale.error().non_retryable);
}

TEST_F(whole_service, a_gateway_that_waits_hears_of_each_change_before_it_is_old) {
    start();
    const auto id = create();
    const auto ask = [](net::client& c, std::string url, json& heard) -> task<> {
        net::client_request r;
        r.url = std::move(url);
        r.headers.set("Authorization", "Bearer internal-secret");
        r.deadline = 40s;
        auto a = co_await c.send(std::move(r));
        EXPECT_TRUE(a);
        heard = a ? json::parse(a->body) : json();
    };
    const auto url = "http://" + server->address() + "/internal/playback/changes";
    EXPECT_EQ(call("GET", "/internal/playback/changes").status, 401) << "not with a user's token";
    json first;
    run(ask(http, url, first));
    EXPECT_EQ(first["missed"], true);
    std::string place = "?wait_s=30&epoch=" + first["epoch"].get<std::string>() + "&after=";
    auto after = first["last"].get<std::uint64_t>();
    task_group waiting(loop.executor());
    for (const auto& [method, body] :
         {std::pair("PATCH", R"({"visibility":"public"})"), std::pair("DELETE", "")}) {
        json heard;
        waiting.spawn(ask(http, url + place + std::to_string(after), heard));
        EXPECT_LT(call(method, "/v1/videos/" + id, body).status, 300);
        run(waiting.join());
        EXPECT_EQ(heard["videos"], json::array({id})) << method;
        EXPECT_EQ(heard["missed"], false);
        EXPECT_EQ(heard["last"], ++after);
    }
    json last;
    waiting.spawn(ask(http, url + place + std::to_string(after), last));
    EXPECT_EQ(call("PATCH", "/v1/videos/" + id, R"({"title":"x"})").status, 404);
    run(service->stop());
    run(waiting.join());
    EXPECT_EQ(last["videos"], json::array()) << "stopping lets those who wait go";
}

TEST_F(whole_service, a_signed_hook_over_the_wire_starts_processing) {
    start();
    const auto id = create();
    uploads.uploads.put("u1", video_id{id}, upload_status::finished);
    const auto body =
        json{{"type", "finished"}, {"upload_id", "u1"}, {"reference", "v." + id}}.dump();
    const auto now = clock.now();
    net::headers h;
    h.set("webhook-id", "m1");
    h.set("webhook-timestamp", std::to_string(to_unix_ms(now) / 1000));
    h.set("webhook-signature", auth::sign_webhook("hook secret", "m1", now, body));
    EXPECT_EQ(call("POST", "/internal/hooks/upload", body, h).status, 204);
    ASSERT_TRUE(eventually([&] { return engine.started.size() == 1; }));
}

TEST_F(whole_service, a_message_left_by_a_life_before_is_delivered_after_the_start) {
    engine.down = true;
    start();
    const auto id = create();
    uploads.uploads.put("u1", video_id{id}, upload_status::finished);
    EXPECT_EQ(call("POST", "/v1/videos/" + id + "/complete", R"({"upload_id":"u1"})").status, 202);
    ASSERT_TRUE(eventually([&] { return engine.start_calls > 0; }));
    EXPECT_EQ(show(id)["state"], "PROCESSING");
    stop();
    engine.down = false;
    start();
    ASSERT_TRUE(eventually([&] { return engine.started.size() == 1; }));
    EXPECT_EQ(show(id)["state"], "PROCESSING");
}

TEST_F(whole_service, an_engine_that_comes_back_gets_its_messages_and_readiness_says_so) {
    start();
    engine.down = true;
    const auto id = create();
    uploads.uploads.put("u1", video_id{id}, upload_status::finished);
    call("POST", "/v1/videos/" + id + "/complete", R"({"upload_id":"u1"})");
    const auto state_of = [&](const std::string& name) {
        for (const auto& d : run(service->readiness())) {
            if (d.name == name) {
                return d.state;
            }
        }
        return std::string();
    };
    ASSERT_TRUE(eventually([&] { return state_of("workflow_engine") == "degraded"; }));
    EXPECT_EQ(state_of("database"), "ok");
    engine.down = false;
    ASSERT_TRUE(eventually([&] { return engine.started.size() == 1; }));
    ASSERT_TRUE(eventually([&] { return state_of("workflow_engine") == "ok"; }));
}

TEST_F(whole_service, the_settler_ends_what_was_lost_and_finds_what_was_not_told) {
    start();
    const auto lost = create();
    uploads.uploads.put("u1", video_id{lost}, upload_status::finished);
    const auto untold = create();
    uploads.uploads.put("u2", video_id{untold}, upload_status::finished);
    ASSERT_TRUE(eventually([&] { return engine.started.size() == 2; })) << "no notice, no hook";
    engine.runs.erase("video-" + lost + "-g1");
    ASSERT_TRUE(eventually([&] { return show(lost)["state"] == "FAILED"; }));
    EXPECT_EQ(show(lost)["error"]["code"], "internal_error");
    EXPECT_EQ(show(untold)["state"], "PROCESSING");
}

TEST_F(whole_service, surplus_uploads_are_removed_soon) {
    start();
    const auto id = create();
    for (const auto* upload : {"u1", "u2"}) {
        uploads.uploads.put(upload, video_id{id}, upload_status::finished);
        call("POST", "/v1/videos/" + id + "/complete", json{{"upload_id", upload}}.dump());
    }
    ASSERT_TRUE(eventually([&] { return uploads.uploads.removed.size() == 1; }));
    EXPECT_EQ(uploads.uploads.removed[0].value, "u2");
}

TEST_F(whole_service, a_database_that_cannot_be_opened_stops_the_start) {
    settings.database = "sqlite:" + (directory.path / "no" / "such" / "directory.db").string();
    auth::token_verifier verifier;
    app a(loop.executor(), pool, clock, engine, source, std::move(verifier),
          auth::grant_keys::for_tests(), obs::logger(), metrics, settings);
    EXPECT_THROW(a.start(), std::runtime_error);
}

TEST_F(whole_service, every_key_of_its_configuration_can_be_set) {
    vora::config::schema schema;
    settings.bind(schema);
    settings.bind_public_urls(schema);
    ASSERT_TRUE(schema.set("raw.retention_s", "5", "flag"));
    ASSERT_TRUE(schema.set("limits.duration_max_s", "3", "flag"));
    ASSERT_TRUE(schema.set("public_urls.play", "https://play.example", "flag"));
    EXPECT_EQ(settings.raw_retention, 5s);
    EXPECT_EQ(settings.duration_max_s, 3);
    EXPECT_EQ(settings.public_play_url, "https://play.example");
}

}  // namespace
}  // namespace vora::metadata
