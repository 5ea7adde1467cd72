#include "services/metadata/handlers/rest_api.hpp"

#include "libs/auth/webhook.hpp"
#include "services/metadata/handlers/internal_api.hpp"
#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::metadata {
namespace {

using nlohmann::json;

struct answer {
    int status = 0;
    net::headers headers;
    json body;
    std::string text(const char* field) const { return body.value(field, ""); }
    std::string header(std::string_view name) const {
        return std::string(headers.get(name).value_or(""));
    }
};

// The REST interface as a router, without sockets.
struct rest : testing::Test {
    world w;
    auth::token_issuer issuer =
        std::move(*auth::token_issuer::load_or_create(w.directory.path / "issuer.pem"));
    auth::grant_keys keys = auth::grant_keys::for_tests();
    obs::metrics metrics;
    authenticator who{verifier(), w.clock, "https://video.example/"};
    rest_api api{w.all, w.changes, w.progress, who, keys, w.clock, {}, {}, metrics};
    internal_api internal{w.repository,  w.ends, w.clock, "internal-secret",
                          "hook secret", {},     metrics};
    net::router router = api.routes();
    net::router internal_router = internal.routes();
    std::string anna = token("anna", auth::scope::edit);
    std::string bert = token("bert", auth::scope::edit);
    std::string viewer = token("anna", auth::scope::view);
    std::string admin = token("root", auth::scope::admin);

    auth::token_verifier verifier() {
        auth::token_verifier v;
        EXPECT_TRUE(v.add_key(issuer.public_key_pem(), issuer.key_id()));
        return v;
    }
    std::string token(std::string_view subject, auth::scope s) {
        return issuer.mint(subject, s, w.clock.now(), 3600s);
    }
    static net::request request(std::string method, std::string target) {
        net::request r;
        r.method = std::move(method);
        const auto question = target.find('?');
        r.path = target.substr(0, question);
        if (question != target.npos) {
            const auto equals = target.find('=', question);
            r.query = {
                {target.substr(question + 1, equals - question - 1), target.substr(equals + 1)}};
        }
        r.scheme = "http";
        r.host = "127.0.0.1:4000";
        r.request_id = "test";
        return r;
    }
    answer send(net::request r, std::string body, net::router* to = nullptr) {
        const auto reader = net::body_of(std::move(body));
        r.body = reader.get();
        auto got = w.run((to != nullptr ? *to : router).dispatch(r));
        answer a{got.status, got.headers, {}};
        if (!got.body.empty()) {
            a.body = json::parse(got.body);
        }
        return a;
    }
    answer call(const std::string& who_token, std::string method, std::string target,
                std::string body = "") {
        auto r = request(std::move(method), std::move(target));
        r.headers.set("Authorization", "Bearer " + who_token);
        return send(std::move(r), std::move(body));
    }
    std::string create(const std::string& by, const std::string& body = R"({"title":"a title"})") {
        const auto a = call(by, "POST", "/v1/videos", body);
        EXPECT_EQ(a.status, 201) << a.body;
        return a.text("id");
    }
    std::string create_ready(const std::string& visibility = "public") {
        const auto id = create(anna, R"({"title":"t","visibility":")" + visibility + "\"}");
        w.uploads.put("u" + id, video_id{id}, upload_status::finished);
        w.run(w.ends.notice({"anna", false}, video_id{id}, upload_id{"u" + id})).value();
        w.run(
             w.runs.mark_ready(video_id{id}, 1,
                               {10, 640, 360, {{"360p", 640, 360, 9, 8, "avc1", 25, 1, 1, 1}}, {}}))
            .value();
        return id;
    }
};

TEST_F(rest, a_new_video_has_every_field_of_the_contract) {
    const auto a = call(anna, "POST", "/v1/videos", R"({"title":"a \"title\"","description":"d"})");
    ASSERT_EQ(a.status, 201);
    EXPECT_EQ(a.header("ETag"), "\"1\"");
    EXPECT_EQ(a.header("Cache-Control"), "no-store");
    EXPECT_EQ(a.header("Location"), "/v1/videos/" + a.text("id"));
    std::vector<std::string> names;
    for (const auto& [name, value] : a.body.items()) {
        names.push_back(name);
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{
                  "created_at", "description", "duration_s", "error", "generation", "height", "id",
                  "input_report", "manifest_url", "playable_at", "progress", "renditions", "state",
                  "title", "updated_at", "upload", "version", "visibility", "width"}));
    for (const auto* absent :
         {"playable_at", "manifest_url", "duration_s", "width", "height", "progress", "error"}) {
        EXPECT_TRUE(a.body[absent].is_null()) << absent;
    }
    EXPECT_EQ(a.text("title"), "a \"title\"");
    EXPECT_EQ(a.text("state"), "CREATED");
    EXPECT_EQ(a.text("visibility"), "private");
    EXPECT_EQ(a.body["renditions"], json::array());
}

TEST_F(rest, the_upload_url_carries_a_grant_that_names_the_video_and_ends) {
    const auto a = call(anna, "POST", "/v1/videos", R"({"title":"t"})");
    const auto& upload = a.body["upload"];
    const auto header = upload["headers"]["Authorization"].get<std::string>();
    ASSERT_TRUE(header.starts_with("Bearer "));
    const auto text = header.substr(7);
    const std::string prefix = "http://127.0.0.1:4000/files/?grant=";
    const auto url = upload["url"].get<std::string>();
    ASSERT_TRUE(url.starts_with(prefix)) << url;
    EXPECT_EQ(url.substr(prefix.size()), text);
    const auto grant = auth::verify_upload_grant(keys, text, w.clock.now());
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->reference, "v." + a.text("id"));
    EXPECT_EQ(grant->subject, "anna");
    EXPECT_EQ(upload["expires_at"], to_rfc3339(grant->expires));
    EXPECT_EQ(grant->expires, w.clock.now() + 24h);
    EXPECT_FALSE(auth::verify_upload_grant(keys, text, w.clock.now() + 24h + 1s));
    const auto again = call(anna, "GET", "/v1/videos/" + a.text("id"));
    EXPECT_EQ(again.body["upload"], upload) << "the same grant, however often it is asked for";
}

TEST_F(rest, urls_follow_the_configured_bases) {
    rest_api configured{w.all,
                        w.changes,
                        w.progress,
                        who,
                        keys,
                        w.clock,
                        {"https://up.example/", "https://play.example"},
                        {},
                        metrics};
    const auto id = create_ready();
    router = configured.routes();
    const auto a = call(anna, "GET", "/v1/videos/" + id);
    EXPECT_EQ(a.text("manifest_url"), "https://play.example/play/public/" + id + "/master.m3u8");
    const auto made = call(anna, "POST", "/v1/videos", R"({"title":"t"})");
    EXPECT_TRUE(made.body["upload"]["url"].get<std::string>().starts_with(
        "https://up.example/files/?grant="));
}

TEST_F(rest, a_manifest_url_is_shown_only_when_public_and_playable) {
    const auto id = create_ready("private");
    EXPECT_TRUE(call(anna, "GET", "/v1/videos/" + id).body["manifest_url"].is_null());
    const auto a = call(anna, "PATCH", "/v1/videos/" + id, R"({"visibility":"public"})");
    EXPECT_EQ(a.text("manifest_url"), "http://127.0.0.1:4000/play/public/" + id + "/master.m3u8");
    EXPECT_FALSE(a.body.contains("upload"));
    EXPECT_EQ(
        a.body["renditions"][0],
        json::parse(R"({"name":"360p","width":640,"height":360,"bandwidth":9,"codecs":"avc1"})"));
    const auto waiting = create(anna, R"({"title":"t","visibility":"public"})");
    EXPECT_TRUE(call(anna, "GET", "/v1/videos/" + waiting).body["manifest_url"].is_null());
}

TEST_F(rest, everything_refuses_a_caller_without_a_token) {
    const auto id = create(anna);
    const auto path = "/v1/videos/" + id;
    const std::vector<std::pair<std::string, std::string>> all{{"POST", "/v1/videos"},
                                                               {"GET", "/v1/videos"},
                                                               {"GET", path},
                                                               {"PATCH", path},
                                                               {"DELETE", path},
                                                               {"POST", path + "/complete"},
                                                               {"POST", path + "/playback"}};
    const auto old = issuer.mint("anna", auth::scope::admin, w.clock.now() - 10h, 60s);
    for (const auto& [method, target] : all) {
        const auto none = send(request(method, target), "{}");
        EXPECT_EQ(none.status, 401) << method << target;
        EXPECT_TRUE(none.header("WWW-Authenticate").starts_with("Bearer"));
        EXPECT_EQ(none.body["status"], 401);
        for (const auto& bad : {std::string("x"), old, anna + "x"}) {
            EXPECT_EQ(call(bad, method, target, "{}").status, 401) << method << target;
        }
    }
    EXPECT_EQ(w.stored(video_id{id}).version, 1);
}

TEST_F(rest, two_authorization_headers_or_another_scheme_are_401) {
    auto two = request("GET", "/v1/videos");
    two.headers.add("Authorization", "Bearer " + anna);
    two.headers.add("Authorization", "Bearer " + anna);
    EXPECT_EQ(send(std::move(two), "").status, 401);
    auto basic = request("GET", "/v1/videos");
    basic.headers.add("Authorization", "Basic " + anna);
    basic.headers.add("Cookie", "vora_session=" + anna);
    EXPECT_EQ(send(std::move(basic), "").status, 401) << "a header that fails is not replaced";
}

TEST_F(rest, a_viewer_reads_and_changes_nothing) {
    const auto path = "/v1/videos/" + create(anna);
    EXPECT_EQ(call(viewer, "GET", path).status, 200);
    EXPECT_EQ(call(viewer, "GET", "/v1/videos").status, 200);
    EXPECT_EQ(call(viewer, "POST", path + "/playback", "{}").status, 409) << "not yet playable";
    for (const auto& [method, target] :
         std::vector<std::pair<std::string, std::string>>{{"POST", "/v1/videos"},
                                                          {"PATCH", path},
                                                          {"DELETE", path},
                                                          {"POST", path + "/complete"}}) {
        const auto a = call(viewer, method, target, R"({"title":"x"})");
        EXPECT_EQ(a.status, 403) << method << target;
        EXPECT_EQ(a.text("code"), "insufficient_scope");
    }
}

TEST_F(rest, somebody_elses_video_does_not_exist) {
    const auto path = "/v1/videos/" + create(anna);
    const auto unknown = "/v1/videos/" + random_uuid();
    for (const auto& [method, suffix, body] :
         std::vector<std::tuple<std::string, std::string, std::string>>{
             {"GET", "", ""},
             {"PATCH", "", R"({"title":"mine"})"},
             {"PATCH", "", R"({"nonsense":1})"},
             {"DELETE", "", ""},
             {"POST", "/complete", R"({"upload_id":"u"})"},
             {"POST", "/complete", "{}"},
             {"POST", "/playback", R"({"ttl_s":-1})"}}) {
        const auto foreign = call(bert, method, path + suffix, body);
        EXPECT_EQ(foreign.status, 404) << method << suffix << body;
        EXPECT_EQ(foreign.body, call(bert, method, unknown + suffix, body).body);
    }
    EXPECT_EQ(call(admin, "GET", path).status, 200);
}

TEST_F(rest, an_id_that_is_none_is_not_found) {
    for (const auto* id : {"x", "7B0E5A5E-0000-4000-8000-000000000000", "' OR 1=1 --"}) {
        EXPECT_EQ(call(admin, "GET", std::string("/v1/videos/") + id).status, 404);
    }
}

TEST_F(rest, a_session_cookie_reads_but_changes_only_from_its_own_pages) {
    const auto id = create(anna);
    struct origin_case {
        std::string header;
        std::string value;
        int status;
    };
    for (const auto& c :
         std::vector<origin_case>{{"", "", 403},
                                  {"Origin", "http://127.0.0.1:4000", 200},
                                  {"Origin", "https://video.example", 200},
                                  {"Origin", "http://evil.example", 403},
                                  {"Origin", "http://127.0.0.1:4000.evil.example", 403},
                                  {"Origin", "http://127.0.0.1", 403},
                                  {"Origin", "null", 403},
                                  {"Origin", "", 403},
                                  {"Sec-Fetch-Site", "same-origin", 200},
                                  {"Sec-Fetch-Site", "same-site", 403},
                                  {"Sec-Fetch-Site", "cross-site", 403},
                                  {"Sec-Fetch-Site", "none", 403}}) {
        auto r = request("PATCH", "/v1/videos/" + id);
        r.headers.set("Cookie", "a=b; vora_session=" + anna);
        if (!c.header.empty()) {
            r.headers.set(c.header, c.value);
        }
        EXPECT_EQ(send(std::move(r), R"({"title":"x"})").status, c.status) << c.header << c.value;
    }
    auto read = request("GET", "/v1/videos/" + id);
    read.headers.set("Cookie", "vora_session=" + anna);
    read.headers.set("Origin", "http://evil.example");
    EXPECT_EQ(send(std::move(read), "").status, 200);
}

TEST_F(rest, a_refused_body_names_its_fields_and_changes_nothing) {
    const auto id = create(anna);
    const auto a = call(anna, "PATCH", "/v1/videos/" + id, R"({"title":"","state":"READY"})");
    EXPECT_EQ(a.status, 400);
    EXPECT_EQ(a.header("Content-Type"), "application/problem+json");
    EXPECT_EQ(a.text("code"), "invalid_fields");
    EXPECT_EQ(a.text("request_id"), "test");
    EXPECT_EQ(a.body["errors"].size(), 2u);
    EXPECT_EQ(w.stored(video_id{id}).version, 1);
    EXPECT_EQ(call(anna, "POST", "/v1/videos", "[]").text("code"), "bad_json");
}

TEST_F(rest, a_body_beyond_the_limit_is_413) {
    const auto body = R"({"title":"x","description":")" + std::string(200'000, 'd') + "\"}";
    EXPECT_EQ(call(anna, "POST", "/v1/videos", body).status, 413);
    EXPECT_EQ(w.count("SELECT count(*) FROM Videos"), 0);
}

TEST_F(rest, hostile_texts_come_back_as_they_were) {
    for (const std::string title : {"'; DROP TABLE Videos; --", "<script>alert(1)</script>",
                                    "\xD1\x81\xD0\xBD\xD0\xB5\xD0\xB3 \xE2\x9D\x84", "%s %n {0}"}) {
        const auto id = create(anna, json{{"title", title}, {"description", title}}.dump());
        const auto a = call(anna, "GET", "/v1/videos/" + id);
        EXPECT_EQ(a.text("title"), title);
        EXPECT_EQ(a.text("description"), title);
    }
    EXPECT_EQ(call(token("'; --", auth::scope::edit), "GET", "/v1/videos").body["videos"],
              json::array());
}

TEST_F(rest, if_match_guards_a_patch) {
    const auto path = "/v1/videos/" + create(anna);
    const auto patch = [&](const std::string& tag, const std::string& title) {
        auto r = request("PATCH", path);
        r.headers.set("Authorization", "Bearer " + anna);
        r.headers.set("If-Match", tag);
        return send(std::move(r), json{{"title", title}}.dump());
    };
    const auto first = patch("\"1\"", "first");
    EXPECT_EQ(first.status, 200);
    EXPECT_EQ(first.header("ETag"), "\"2\"");
    EXPECT_EQ(first.body["version"], 2);
    EXPECT_EQ(patch("\"1\"", "second").status, 412);
    EXPECT_EQ(patch("nonsense", "second").status, 412);
    EXPECT_EQ(patch("*", "any").status, 200);
    EXPECT_EQ(patch("\"1\", \"3\"", "listed").status, 200);
    EXPECT_EQ(call(anna, "GET", path).text("title"), "listed");
}

TEST_F(rest, a_list_has_pages_and_refuses_questions_that_make_no_sense) {
    for (int i = 0; i < 3; ++i) {
        create(anna);
        w.clock.advance(1ms);
    }
    const auto first = call(anna, "GET", "/v1/videos?page_size=2");
    EXPECT_EQ(first.body["videos"].size(), 2u);
    const auto second = call(anna, "GET", "/v1/videos?page_token=" + first.text("next_page_token"));
    EXPECT_EQ(second.body["videos"].size(), 1u);
    EXPECT_FALSE(second.body.contains("next_page_token"));
    EXPECT_EQ(call(anna, "GET", "/v1/videos?state=CREATED").body["videos"].size(), 3u);
    EXPECT_EQ(call(anna, "GET", "/v1/videos?state=READY").body["videos"].size(), 0u);
    for (const auto* bad : {"page_size=0", "page_size=x", "state=LOST", "page_token=nonsense"}) {
        const auto a = call(anna, "GET", std::string("/v1/videos?") + bad);
        EXPECT_EQ(a.status, 400) << bad;
    }
}

TEST_F(rest, completing_tells_what_became_of_the_video) {
    const auto id = create(anna);
    const auto path = "/v1/videos/" + id + "/complete";
    EXPECT_EQ(call(anna, "POST", path, R"({"upload_id":"u1"})").status, 404);
    for (const auto* bad :
         {"{}", R"({"upload_id":5})", R"({"upload_id":""})", R"({"upload_id":"u1","x":1})", ""}) {
        EXPECT_EQ(call(anna, "POST", path, bad).status, 400) << bad;
    }
    w.uploads.put("u1", video_id{id}, upload_status::open);
    auto a = call(anna, "POST", path, R"({"upload_id":"u1"})");
    EXPECT_EQ(a.status, 202);
    EXPECT_EQ(a.text("state"), "CREATED");
    w.uploads.put("u1", video_id{id}, upload_status::finished);
    for (int i = 0; i < 3; ++i) {
        a = call(anna, "POST", path, R"({"upload_id":"u1"})");
        EXPECT_EQ(a.status, 202);
        EXPECT_EQ(a.text("state"), "PROCESSING");
        EXPECT_EQ(a.body["version"], 2);
        EXPECT_FALSE(a.body.contains("upload"));
        EXPECT_EQ(a.body["progress"]["stage"], "queued");
    }
}

TEST_F(rest, while_the_upload_service_or_the_database_is_away_it_is_503_with_a_time) {
    const auto id = create(anna);
    w.uploads.down = true;
    const auto a = call(anna, "POST", "/v1/videos/" + id + "/complete", R"({"upload_id":"u1"})");
    EXPECT_EQ(a.status, 503);
    EXPECT_EQ(a.header("Retry-After"), "1");
    EXPECT_EQ(a.text("code"), "upload_service_unavailable");
    SQLite::Database other(w.database, SQLite::OPEN_READWRITE);
    SQLite::Transaction lock(other, SQLite::TransactionBehavior::IMMEDIATE);
    const auto locked = call(anna, "POST", "/v1/videos", R"({"title":"t"})");
    EXPECT_EQ(locked.status, 503);
    EXPECT_EQ(locked.header("Retry-After"), "1");
    EXPECT_EQ(locked.body.dump().find("database is locked"), std::string::npos);
}

TEST_F(rest, playback_is_granted_when_playable_for_as_long_as_asked) {
    const auto waiting = create(anna);
    EXPECT_EQ(call(anna, "POST", "/v1/videos/" + waiting + "/playback").status, 409);
    const auto id = create_ready("private");
    const auto a = call(anna, "POST", "/v1/videos/" + id + "/playback", R"({"ttl_s":600})");
    ASSERT_EQ(a.status, 201);
    const std::string prefix = "http://127.0.0.1:4000/play/";
    const auto url = a.text("manifest_url");
    ASSERT_TRUE(url.starts_with(prefix)) << url;
    ASSERT_TRUE(url.ends_with("/" + id + "/master.m3u8")) << url;
    const auto grant = url.substr(prefix.size(), url.find('/', prefix.size()) - prefix.size());
    const auto verified = auth::verify_playback_grant(keys, grant, id, w.clock.now());
    ASSERT_TRUE(verified);
    EXPECT_EQ(verified->expires, w.clock.now() + 600s);
    EXPECT_EQ(a.text("expires_at"), to_rfc3339(verified->expires));
    EXPECT_EQ(a.text("poster_url"), prefix + grant + "/" + id + "/thumbnail.jpg");
    for (const auto* bad : {"0", "-5", "\"x\"", "1e12", "null"}) {
        EXPECT_EQ(call(anna, "POST", "/v1/videos/" + id + "/playback",
                       std::string("{\"ttl_s\":") + bad + "}")
                      .status,
                  400);
    }
}

TEST_F(rest, a_deleted_video_is_gone_for_every_method) {
    const auto id = create_ready();
    const auto path = "/v1/videos/" + id;
    const auto a = call(anna, "DELETE", path);
    EXPECT_EQ(a.status, 202);
    for (const auto& [method, suffix, body] :
         std::vector<std::tuple<std::string, std::string, std::string>>{
             {"GET", "", ""},
             {"DELETE", "", ""},
             {"PATCH", "", R"({"title":"x"})"},
             {"POST", "/playback", "{}"},
             {"POST", "/complete", R"({"upload_id":"x"})"}}) {
        EXPECT_EQ(call(admin, method, path + suffix, body).status, 404) << method << suffix;
    }
    auto r = request("GET", "/internal/playback/" + id);
    r.headers.set("Authorization", "Bearer internal-secret");
    EXPECT_EQ(send(std::move(r), "", &internal_router).status, 404);
}

TEST_F(rest, what_is_not_due_yet_is_absent) {
    const auto path = "/v1/videos/" + create(anna);
    EXPECT_EQ(call(anna, "POST", path + "/reprocess").status, 404);
    EXPECT_EQ(call(anna, "PUT", path).status, 405);
}

TEST_F(rest, the_gateway_learns_what_it_needs_with_the_secret_only) {
    const auto id = create_ready();
    auto r = request("GET", "/internal/playback/" + id);
    EXPECT_EQ(send(r, "", &internal_router).status, 401);
    r.headers.set("Authorization", "Bearer wrong");
    EXPECT_EQ(send(r, "", &internal_router).status, 401);
    r.headers.set("Authorization", "Bearer internal-secret");
    const auto a = send(r, "", &internal_router);
    ASSERT_EQ(a.status, 200);
    EXPECT_EQ(a.text("video_id"), id);
    EXPECT_EQ(a.text("state"), "READY");
    EXPECT_EQ(a.text("prefix"), id + "/");
    EXPECT_EQ(a.body["playable"], true);
    EXPECT_EQ(a.body["public"], true);
    EXPECT_EQ(a.body["renditions"][0]["bandwidth"], 9);
    EXPECT_EQ(a.body["duration_s"], 10);
}

TEST_F(rest, a_hook_counts_only_with_its_signature_and_in_its_time) {
    const auto id = create(anna);
    w.uploads.put("u1", video_id{id}, upload_status::finished);
    const auto body =
        json{{"type", "finished"}, {"upload_id", "u1"}, {"reference", "v." + id}}.dump();
    const auto post = [&](const std::string& secret, timestamp sent,
                          const std::string& signed_body) {
        auto r = request("POST", "/internal/hooks/upload");
        r.headers.set("webhook-id", "msg_1");
        r.headers.set("webhook-timestamp", std::to_string(to_unix_ms(sent) / 1000));
        r.headers.set("webhook-signature", auth::sign_webhook(secret, "msg_1", sent, signed_body));
        return send(std::move(r), body, &internal_router).status;
    };
    EXPECT_EQ(send(request("POST", "/internal/hooks/upload"), body, &internal_router).status, 401);
    EXPECT_EQ(post("another secret", w.clock.now(), body), 401);
    EXPECT_EQ(post("hook secret", w.clock.now() - 1h, body), 401);
    EXPECT_EQ(post("hook secret", w.clock.now(), body + " "), 401);
    EXPECT_EQ(w.stored(video_id{id}).state, video_state::created);
    w.uploads.down = true;
    EXPECT_EQ(post("hook secret", w.clock.now(), body), 503) << "to be sent again";
    w.uploads.down = false;
    EXPECT_EQ(post("hook secret", w.clock.now(), body), 204);
    EXPECT_EQ(post("hook secret", w.clock.now(), body), 204);
    EXPECT_EQ(w.stored(video_id{id}).state, video_state::processing);
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox"), 1);
}

}  // namespace
}  // namespace vora::metadata
