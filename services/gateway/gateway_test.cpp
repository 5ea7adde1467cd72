// Delivery as a client sees it, over real sockets: a table of requests, then what a table cannot
// say.
#include "services/gateway/testing/gateway_fixture.hpp"

#include <optional>

namespace vora::gateway::testing {
namespace {

constexpr auto m3u8 = "application/vnd.apple.mpegurl";
constexpr auto problem = "application/problem+json";
constexpr auto forever = "public, max-age=31536000, immutable";
constexpr auto not_found_cache = "max-age=0, s-maxage=2";

std::string header(const net::client_response& r, std::string_view name) {
    return std::string(r.headers.get(name).value_or(""));
}

net::headers with(std::initializer_list<std::pair<std::string, std::string>> fields) {
    net::headers h;
    for (const auto& [name, value] : fields) {
        h.add(name, value);
    }
    return h;
}

config with_store_deadline(std::int64_t ms) {
    config c;
    c.store_deadline_ms = ms;
    return c;
}

class delivering : public gateway_fixture {
 public:
    using gateway_fixture::send_later;
};

TEST_F(delivering, each_object_has_its_type_and_lifetime) {
    struct row {
        std::string path, type, cache, body;
    };
    const auto of = "/play/public/" + public_id;
    const row table[] = {
        {"/720p/playlist.m3u8", m3u8, forever, "#EXTM3U\n#of 720p\n"},
        {"/1080p/playlist.m3u8", m3u8, forever, "#EXTM3U\n#of 1080p\n"},
        {"/720p/seg_01.ts", "video/mp2t", forever, segment_},
        {"/720p/seg_02.ts", "video/mp2t", forever, "x"},
        {"/360p/seg_03.ts", "video/mp2t", forever, ""},
        {"/thumbnail.jpg", "image/jpeg", "public, max-age=86400", "a picture of " + public_id},
        {"/720p/seg_02.ts?CMCD=br%3D1&x=y", "video/mp2t", forever, "x"},
    };
    for (const auto& [path, type, cache, body] : table) {
        for (const auto* method : {"GET", "HEAD"}) {
            const auto r = send(method, of + path);
            EXPECT_EQ(r.status, 200) << path;
            EXPECT_EQ(header(r, "Content-Type"), type) << path;
            EXPECT_EQ(header(r, "Cache-Control"), cache) << path;
            EXPECT_EQ(header(r, "Content-Length"), std::to_string(body.size())) << path;
            EXPECT_EQ(header(r, "Accept-Ranges"), "bytes") << path;
            EXPECT_TRUE(header(r, "ETag").starts_with('"')) << path;
            EXPECT_TRUE(r.body == (method == std::string("GET") ? body : "")) << path;
        }
    }
}

TEST_F(delivering, the_master_is_written_from_what_was_measured) {
    const auto r = get("/play/public/" + public_id + "/master.m3u8");
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(header(r, "Content-Type"), m3u8);
    EXPECT_EQ(header(r, "Cache-Control"), "public, max-age=10, s-maxage=10");
    EXPECT_TRUE(r.body.starts_with("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n"));
    EXPECT_NE(r.body.find("#EXT-X-STREAM-INF:BANDWIDTH=6000000,AVERAGE-BANDWIDTH=4800000,"
                          "CODECS=\"avc1.640028,mp4a.40.2\",RESOLUTION=1920x1080,"
                          "FRAME-RATE=30.000\n1080p/playlist.m3u8\n"),
              std::string::npos)
        << r.body;
    const auto first = r.body.find("\n720p/playlist.m3u8");
    EXPECT_LT(first, r.body.find("\n360p/playlist.m3u8"));
    const auto head = send("HEAD", "/play/public/" + public_id + "/master.m3u8");
    EXPECT_EQ(header(head, "Content-Length"), std::to_string(r.body.size()));
    EXPECT_EQ(header(head, "ETag"), header(r, "ETag"));
    EXPECT_EQ(head.body, "");
}

TEST_F(delivering, every_answer_can_be_read_from_any_page_and_none_sets_or_varies) {
    const auto of = "/play/public/" + public_id;
    const std::pair<const char*, std::string> table[] = {
        {"GET", of + "/master.m3u8"},
        {"GET", of + "/720p/seg_02.ts"},
        {"HEAD", of + "/720p/seg_02.ts"},
        {"OPTIONS", of + "/720p/seg_02.ts"},
        {"POST", of + "/720p/seg_02.ts"},
        {"GET", of + "/nothing"},
        {"GET", of},
        {"GET", "/play/x"},
        {"DELETE", "/play/x"},
        {"GET", "/play/bad.grant/" + public_id + "/master.m3u8"},
        {"GET", "/play/public/" + unknown_id + "/master.m3u8"},
    };
    for (const auto& [method, path] : table) {
        const auto r = send(method, path, with({{"Origin", "http://elsewhere.example"}}));
        EXPECT_EQ(header(r, "Access-Control-Allow-Origin"), "*") << method << path;
        EXPECT_NE(header(r, "Access-Control-Expose-Headers").find("Content-Range"),
                  std::string::npos)
            << method << path;
        EXPECT_EQ(header(r, "X-Content-Type-Options"), "nosniff");
        EXPECT_EQ(header(r, "Vary"), "") << method << path;
        EXPECT_EQ(header(r, "Set-Cookie"), "") << method << path;
    }
}

TEST_F(delivering, a_preflight_allows_ranges_and_conditions) {
    const auto r = send("OPTIONS", "/play/public/" + public_id + "/720p/seg_01.ts",
                        with({{"Origin", "http://elsewhere.example"},
                              {"Access-Control-Request-Method", "GET"},
                              {"Access-Control-Request-Headers", "range"}}));
    EXPECT_EQ(r.status, 204);
    EXPECT_EQ(header(r, "Access-Control-Allow-Methods"), "GET, HEAD, OPTIONS");
    EXPECT_NE(header(r, "Access-Control-Allow-Headers").find("Range"), std::string::npos);
    EXPECT_EQ(store_->calls, 0);
}

TEST_F(delivering, only_reading_methods_exist) {
    for (const auto* method : {"POST", "PUT", "PATCH", "DELETE"}) {
        for (const auto& path :
             {"/play/public/" + public_id + "/master.m3u8", std::string("/play/x")}) {
            const auto r = send(method, path);
            EXPECT_EQ(r.status, 405) << method;
            EXPECT_EQ(header(r, "Allow"), "GET, HEAD, OPTIONS");
            EXPECT_EQ(header(r, "Content-Type"), problem);
        }
    }
}

TEST_F(delivering, ranges_and_conditions_over_a_real_object) {
    const auto path = "/play/public/" + public_id + "/720p/seg_01.ts";
    const auto etag = header(get(path), "ETag");
    const auto size = std::to_string(segment_.size());
    struct row {
        net::headers headers;
        int status;
        std::string content_range;
        std::optional<std::pair<std::size_t, std::size_t>> bytes;
    };
    const std::pair whole{std::size_t{0}, segment_.size()};
    const row table[] = {
        {with({{"Range", "bytes=0-0"}}), 206, "bytes 0-0/" + size, {{0, 1}}},
        {with({{"Range", "bytes=100-299"}}), 206, "bytes 100-299/" + size, {{100, 200}}},
        {with({{"Range", "bytes=0-"}}), 206, "bytes 0-299999/" + size, whole},
        {with({{"Range", "bytes=299999-"}}), 206, "bytes 299999-299999/" + size, {{299999, 1}}},
        {with({{"Range", "bytes=-10"}}), 206, "bytes 299990-299999/" + size, {{299990, 10}}},
        {with({{"Range", "bytes=1000-250000"}}),
         206,
         "bytes 1000-250000/" + size,
         {{1000, 249001}}},
        {with({{"Range", "bytes=5-9999999"}}), 206, "bytes 5-299999/" + size, {{5, 299995}}},
        {with({{"Range", "bytes=300000-"}}), 416, "bytes */" + size, {}},
        {with({{"Range", "bytes=-0"}}), 416, "bytes */" + size, {}},
        {with({{"Range", "bytes=0-1,5-6"}}), 200, "", whole},
        {with({{"Range", "lines=0-1"}}), 200, "", whole},
        {with({{"Range", "bytes=9-1"}}), 200, "", whole},
        {with({{"Range", "bytes=0-9"}, {"If-Range", etag}}), 206, "bytes 0-9/" + size, {{0, 10}}},
        {with({{"Range", "bytes=0-9"}, {"If-Range", "\"x\""}}), 200, "", whole},
        {with({{"If-None-Match", etag}}), 304, "", {}},
        {with({{"If-None-Match", "\"x\", W/" + etag}}), 304, "", {}},
        {with({{"If-None-Match", "*"}}), 304, "", {}},
        {with({{"If-None-Match", "\"x\""}}), 200, "", whole},
        {with({{"If-Match", etag}}), 200, "", whole},
        {with({{"If-Match", "*"}}), 200, "", whole},
        {with({{"If-Match", "\"x\""}}), 412, "", {}},
        {with({{"If-Match", "\"x\""}, {"If-None-Match", etag}}), 412, "", {}},
        {with({{"If-None-Match", etag}, {"Range", "bytes=0-1"}}), 304, "", {}},
        {with({{"Cookie", "a=b"}, {"Accept-Encoding", "gzip"}}), 200, "", whole},
    };
    int number = 0;
    for (const auto& [headers, status, content_range, bytes] : table) {
        const auto r = get(path, headers);
        EXPECT_EQ(r.status, status) << "row " << number;
        EXPECT_EQ(header(r, "Content-Range"), content_range) << "row " << number;
        if (status == 304) {
            EXPECT_EQ(r.body, "");
            EXPECT_EQ(header(r, "ETag"), etag);
            EXPECT_EQ(header(r, "Cache-Control"), forever);
        } else if (status >= 400) {
            EXPECT_EQ(header(r, "Content-Type"), problem);
            EXPECT_EQ(header(r, "Cache-Control"), "no-store");
        } else {
            EXPECT_EQ(header(r, "ETag"), etag);
            EXPECT_TRUE(r.body == segment_.substr(bytes->first, bytes->second)) << "row " << number;
        }
        ++number;
    }
    EXPECT_EQ(header(send("HEAD", path, with({{"Range", "bytes=0-1"}})), "Content-Length"), size);
    EXPECT_EQ(send("HEAD", path, with({{"If-None-Match", etag}})).status, 304);
    EXPECT_EQ(send("HEAD", path, with({{"If-Match", "\"x\""}})).status, 412);
}

TEST_F(delivering, the_master_takes_ranges_and_conditions_too) {
    const auto path = "/play/public/" + public_id + "/master.m3u8";
    const auto whole = get(path);
    const auto etag = header(whole, "ETag");
    EXPECT_EQ(get(path, with({{"If-None-Match", etag}})).status, 304);
    EXPECT_EQ(get(path, with({{"If-Match", "\"x\""}})).status, 412);
    EXPECT_EQ(get(path, with({{"Range", "bytes=99999-"}})).status, 416);
    const auto part = get(path, with({{"Range", "bytes=1-6"}}));
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, "EXTM3U");
    EXPECT_EQ(header(part, "Content-Range"), "bytes 1-6/" + std::to_string(whole.body.size()));
}

TEST_F(delivering, what_is_not_in_the_layout_does_not_exist) {
    const auto of = "/play/public/" + public_id;
    const std::string table[] = {
        of + "/nothing",
        of + "/",
        of,
        of + "/master.m3u8/",
        of + "/1080p",
        of + "/1080p/",
        of + "/1080p/seg_1.ts",
        of + "/1080p/seg_001.ts",
        of + "/1080p/seg_00.ts",
        of + "/1080p/seg_04.ts",
        of + "/1080p/seg_01.ts.part",
        of + "/1080p/master.m3u8",
        of + "/480p/playlist.m3u8",
        of + "/480p/seg_01.ts",
        of + "/g1/master.m3u8",
        of + "/.tmp",
        of + "/master%2em3u8",
        of + "/%6daster.m3u8",
        of + "/1080p/seg_0%31.ts",
        "/play/public/" + unknown_id + "/master.m3u8",
        "/play/public/" + private_id + "/master.m3u8",
        "/play/public/" + private_id + "/720p/seg_01.ts",
        "/play/public/" + private_id + "/thumbnail.jpg",
        "/play/public/" + unready_id + "/master.m3u8",
        "/play/public/" + unready_id + "/720p/seg_01.ts",
        "/play/" + grant(unready_id) + "/" + unready_id + "/master.m3u8",
        "/play/" + grant(unknown_id) + "/" + unknown_id + "/master.m3u8",
        "/play/public/6D4D9C5E-4C0F-4A86-9F0C-3F3F3B7A2F10/master.m3u8",
        "/play/public/not-a-uuid/master.m3u8",
        "/play/public",
        "/play/",
        "/play/public/x",
    };
    for (const auto& path : table) {
        const auto r = get(path);
        EXPECT_EQ(r.status, 404) << path;
        EXPECT_EQ(header(r, "Content-Type"), problem) << path;
        EXPECT_EQ(header(r, "Cache-Control"), not_found_cache) << path;
        EXPECT_NE(r.body.find("\"code\":\"not_found\""), std::string::npos) << r.body;
    }
    EXPECT_EQ(store_->calls, 0) << "none of these is worth asking the store";
}

TEST_F(delivering, paths_that_climb_or_hide_get_no_bytes_of_media) {
    for (const std::string& path :
         {"/play/public/" + public_id + "/../" + private_id + "/720p/seg_01.ts",
          "/play/public/" + public_id + "/%2e%2e/" + private_id + "/720p/seg_01.ts",
          "/play/public/" + public_id + "//720p/seg_01.ts",
          "/play/public/" + public_id + "/720p%2fseg_01.ts",
          "/play/public/" + public_id + "/720p%5cseg_01.ts",
          "/play/public/" + public_id + "/720p\\seg_01.ts",
          "/play/public/" + public_id + "/720p/seg_01.ts%00",
          "/play/public/" + public_id + "/720p/seg_01.ts;x",
          "/play/public/" + public_id + "/%252e%252e/x",
          "/play/public/..;/" + private_id + "/720p/seg_01.ts", std::string("/play/../etc/passwd"),
          "/play/%70ublic/" + public_id + "/720p/seg_02.ts"}) {
        const auto r = get(path);
        EXPECT_TRUE(r.status == 400 || r.status == 403 || r.status == 404) << path << r.status;
        EXPECT_EQ(header(r, "Content-Type"), problem) << path;
    }
    EXPECT_EQ(store_->calls, 0);
}

TEST_F(delivering, a_video_that_is_private_looks_like_one_that_is_not_there) {
    const auto strip = [](net::client_response r) {
        const auto at = r.body.find("\"request_id\"");
        return r.body.substr(0, at);
    };
    EXPECT_EQ(strip(get("/play/public/" + private_id + "/master.m3u8")),
              strip(get("/play/public/" + unknown_id + "/master.m3u8")));
}

TEST_F(delivering, a_grant_opens_a_private_video_for_as_long_as_it_lasts) {
    const auto of = "/play/" + grant(private_id, 3600s) + "/" + private_id;
    const std::pair<const char*, const char*> table[] = {
        {"/master.m3u8", "private, max-age=10"},
        {"/720p/playlist.m3u8", "private, max-age=3600, immutable"},
        {"/720p/seg_01.ts", "private, max-age=3600, immutable"},
        {"/thumbnail.jpg", "private, max-age=3600"},
    };
    for (const auto& [path, cache] : table) {
        const auto r = get(of + path);
        EXPECT_EQ(r.status, 200) << path;
        EXPECT_EQ(header(r, "Cache-Control"), cache);
    }
    clock_.advance(3595s);
    EXPECT_EQ(header(get(of + "/master.m3u8"), "Cache-Control"), "private, max-age=5");
    EXPECT_EQ(header(get(of + "/720p/seg_02.ts"), "Cache-Control"),
              "private, max-age=5, immutable");
    clock_.advance(5s);
    for (const auto& [path, cache] : table) {
        const auto r = get(of + path);
        EXPECT_EQ(r.status, 403) << path;
        EXPECT_EQ(header(r, "Cache-Control"), "no-store");
        EXPECT_NE(r.body.find("\"code\":\"grant_expired\""), std::string::npos) << r.body;
    }
}

TEST_F(delivering, a_grant_for_years_is_kept_a_year) {
    const auto r =
        get("/play/" + grant(private_id, 24h * 3650) + "/" + private_id + "/720p/seg_02.ts");
    EXPECT_EQ(header(r, "Cache-Control"), "private, max-age=31536000, immutable");
}

TEST_F(delivering, a_bad_grant_is_403_and_asks_nobody) {
    const auto good = grant(private_id);
    auto flipped = good;
    flipped.back() = flipped.back() == '0' ? '1' : '0';
    const std::pair<std::string, const char*> table[] = {
        {flipped, "grant_bad_signature"},
        {good.substr(0, good.size() - 1), "grant_bad_signature"},
        {good + "0", "grant_bad_signature"},
        {grant(public_id), "grant_bad_signature"},
        {"k9" + good.substr(2), "grant_unknown_key"},
        {"cookie", "cookie_missing"},
        {"Public", "grant_malformed"},
        {"public.", "grant_malformed"},
        {"k1.1.1", "grant_malformed"},
        {grant(private_id, -1s), "grant_expired"},
        {grant(private_id, 0s), "grant_expired"},
    };
    for (const auto& [text, code] : table) {
        for (const auto* path : {"/master.m3u8", "/720p/seg_01.ts", "/nothing"}) {
            const auto r = get("/play/" + text + "/" + private_id + path);
            EXPECT_EQ(r.status, 403) << text;
            EXPECT_EQ(header(r, "Cache-Control"), "no-store");
            EXPECT_NE(r.body.find(code), std::string::npos) << r.body;
        }
    }
    EXPECT_EQ(metadata_asked_, 0);
    EXPECT_EQ(store_->calls, 0);
}

TEST_F(delivering, a_cap_holds_for_playlists_and_segments_and_cannot_be_widened) {
    const auto of = "/play/" + grant(private_id, 1h, 720) + "/" + private_id;
    const auto master = get(of + "/master.m3u8");
    EXPECT_EQ(master.body.find("1080p"), std::string::npos);
    EXPECT_NE(master.body.find("720p/playlist.m3u8"), std::string::npos);
    EXPECT_EQ(get(of + "/720p/seg_01.ts").status, 200);
    EXPECT_EQ(get(of + "/360p/playlist.m3u8").status, 200);
    for (const auto* path : {"/1080p/playlist.m3u8", "/1080p/seg_01.ts"}) {
        const auto r = get(of + path);
        EXPECT_EQ(r.status, 403) << path;
        EXPECT_NE(r.body.find("rendition_not_granted"), std::string::npos);
    }
    const auto least = "/play/" + grant(private_id, 1h, 1) + "/" + private_id;
    EXPECT_NE(get(least + "/master.m3u8").body.find("360p/playlist.m3u8"), std::string::npos);
    EXPECT_EQ(get(least + "/360p/seg_01.ts").status, 200);
}

TEST_F(delivering, metadata_is_asked_with_the_secret_and_once_a_second) {
    for (int i = 0; i < 5; ++i) {
        get("/play/public/" + public_id + "/720p/seg_02.ts");
    }
    EXPECT_EQ(metadata_asked_, 1);
    EXPECT_EQ(seen_authorization_, "Bearer internal-secret");
}

TEST_F(delivering, what_changes_in_metadata_shows_within_a_second) {
    const auto path = "/play/public/" + public_id + "/master.m3u8";
    EXPECT_EQ(get(path).status, 200);
    set_video(public_id, false, true);
    clock_.advance(1001ms);
    EXPECT_EQ(get(path).status, 404);
    set_video(public_id, true, true);
    EXPECT_EQ(get(path).status, 200) << "what opens, opens at once";
    videos_.erase(public_id);
    clock_.advance(1001ms);
    EXPECT_EQ(get(path).status, 404) << "deleted";
    EXPECT_EQ(get("/play/" + grant(public_id) + "/" + public_id + "/720p/seg_01.ts").status, 404);
}

TEST_F(delivering, while_metadata_is_away_what_is_known_plays_on_until_the_grant_ends) {
    const auto of = "/play/" + grant(private_id, 2h) + "/" + private_id;
    EXPECT_EQ(get(of + "/master.m3u8").status, 200);
    metadata_status_ = 500;
    clock_.advance(1h);
    EXPECT_EQ(get(of + "/master.m3u8").status, 200);
    EXPECT_EQ(get(of + "/720p/seg_01.ts").status, 200);
    EXPECT_GE(metric("vora_gateway_stale_answers_total"), 2);
    const auto unknown = get("/play/public/" + public_id + "/master.m3u8");
    EXPECT_EQ(unknown.status, 503);
    EXPECT_EQ(header(unknown, "Retry-After"), "1");
    EXPECT_EQ(header(unknown, "Cache-Control"), "no-store");
    clock_.advance(1h);
    EXPECT_EQ(get(of + "/720p/seg_01.ts").status, 403);
}

TEST_F(delivering, a_refused_secret_is_not_an_unknown_video) {
    metadata_status_ = 401;
    EXPECT_EQ(get("/play/public/" + public_id + "/master.m3u8").status, 503);
}

TEST_F(delivering, nonsense_from_metadata_is_not_believed) {
    for (const auto* nonsense : {"", "[]", R"({"video_id":"x"})"}) {
        videos_[public_id] = nonsense;
        EXPECT_EQ(get("/play/public/" + public_id + "/master.m3u8").status, 503) << nonsense;
    }
}

TEST_F(delivering, a_store_that_cannot_be_reached_is_504_with_the_master_still_there) {
    store_->failure = error{errc::unavailable, "connect_failed", "10.0.0.1 refused"};
    const auto of = "/play/public/" + public_id;
    for (const auto& headers : {net::headers(), with({{"Range", "bytes=0-1"}})}) {
        const auto r = get(of + "/720p/seg_01.ts", headers);
        EXPECT_EQ(r.status, 504);
        EXPECT_EQ(header(r, "Retry-After"), "1");
        EXPECT_EQ(header(r, "Cache-Control"), "no-store");
        EXPECT_EQ(header(r, "Access-Control-Allow-Origin"), "*");
        EXPECT_NE(r.body.find("store_unavailable"), std::string::npos);
        EXPECT_EQ(r.body.find("10.0.0.1"), std::string::npos) << "nothing of the inside";
    }
    EXPECT_EQ(send("HEAD", of + "/720p/seg_01.ts").status, 504);
    EXPECT_EQ(get(of + "/master.m3u8").status, 200);
    store_->failure.reset();
    EXPECT_EQ(get(of + "/720p/seg_01.ts").status, 200);
}

TEST_F(delivering, trouble_of_the_store_is_told_apart) {
    const std::tuple<errc, int, const char*> table[] = {
        {errc::not_found, 404, "not_found"},
        {errc::unavailable, 504, "store_unavailable"},
        {errc::deadline_exceeded, 504, "store_too_slow"},
        {errc::resource_exhausted, 504, "store_unavailable"},
        {errc::data_loss, 500, "object_damaged"},
        {errc::internal, 500, "object_damaged"},
    };
    for (const auto& [code, status, shown] : table) {
        store_->failure = error{code, "inner_reason", "inner detail"};
        const auto r = get("/play/public/" + public_id + "/720p/seg_01.ts");
        EXPECT_EQ(r.status, status);
        EXPECT_NE(r.body.find(shown), std::string::npos) << r.body;
        EXPECT_EQ(r.body.find("inner"), std::string::npos) << r.body;
    }
    EXPECT_EQ(metric("vora_gateway_missing_objects_total"), 1);
}

TEST_F(delivering, a_store_that_stalls_is_504_at_the_deadline_for_all_who_wait) {
    start(with_store_deadline(150));
    store_->stalls = true;
    const auto began = std::chrono::steady_clock::now();
    task_group viewers(loop_.executor());
    int late = 0;
    const auto view = [](delivering& t, int& n) -> task<> {
        auto r = co_await t.send_later("/play/public/" + public_id + "/720p/seg_01.ts");
        n += r && r->status == 504 ? 1 : 0;
    };
    for (int i = 0; i < 20; ++i) {
        viewers.spawn(view(*this, late));
    }
    loop_.run_until_done(viewers.join());
    EXPECT_EQ(late, 20);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s) << "not one after the other";
    store_->stalls = false;
    EXPECT_EQ(get("/play/public/" + public_id + "/720p/seg_01.ts").status, 200);
}

TEST_F(delivering, a_store_call_that_never_returns_is_left_behind) {
    start(with_store_deadline(50));
    store_->hangs = true;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(get("/play/public/" + public_id + "/720p/seg_01.ts").status, 504);
    }
    store_->release();
    EXPECT_EQ(get("/play/public/" + public_id + "/720p/seg_01.ts").status, 200);
}

TEST_F(delivering, a_store_that_breaks_off_for_good_cuts_the_connection) {
    store_->breaks_off_after = 100'000;
    store_->opens_left = 1;
    const auto r =
        loop_.run_until_done(send_later("/play/public/" + public_id + "/720p/seg_01.ts"));
    ASSERT_FALSE(r) << "a short answer must not pass as a whole one";
    EXPECT_EQ(metric("vora_gateway_cut_answers_total"), 1);
    store_->breaks_off_after = 0;
    store_->opens_left.reset();
    EXPECT_EQ(get("/play/public/" + public_id + "/720p/seg_01.ts").status, 504)
        << "before the first byte there is still an answer to give";
    store_->breaks_off_after.reset();
    EXPECT_TRUE(get("/play/public/" + public_id + "/720p/seg_01.ts").body == segment_);
}

TEST_F(delivering, beyond_its_limit_it_says_so_and_recovers) {
    auto c = with_store_deadline(10'000);
    c.answers_max = 2;
    start(c);
    store_->hangs = true;
    task_group viewers(loop_.executor());
    const auto view = [](delivering& t, std::string name) -> task<> {
        auto ignored = co_await t.send_later("/play/public/" + public_id + name);
    };
    viewers.spawn(view(*this, "/720p/seg_01.ts"));
    viewers.spawn(view(*this, "/360p/seg_01.ts"));
    const auto both_wait = [](fake_store& s) -> task<> {
        while (s.calls < 2) {
            co_await sleep_for(1ms);
        }
    };
    loop_.run_until_done(both_wait(*store_));
    const auto r = get("/play/public/" + public_id + "/720p/seg_01.ts");
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(header(r, "Retry-After"), "1");
    EXPECT_NE(r.body.find("overloaded"), std::string::npos);
    store_->release();
    loop_.run_until_done(viewers.join());
    EXPECT_EQ(get("/play/public/" + public_id + "/720p/seg_01.ts").status, 200);
    EXPECT_EQ(metric("vora_gateway_open_answers"), 0);
}

TEST_F(delivering, what_was_sent_is_counted) {
    get("/play/public/" + public_id + "/720p/seg_01.ts");
    EXPECT_EQ(metric("vora_gateway_sent_bytes_total"), static_cast<double>(segment_.size()));
    EXPECT_EQ(metric("vora_gateway_answers_total{object=\"segment\",status=\"2xx\"}"), 1);
    EXPECT_EQ(metric("vora_gateway_lookups_total{outcome=\"found\"}"), 1);
}

}  // namespace
}  // namespace vora::gateway::testing
