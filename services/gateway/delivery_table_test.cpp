// Delivery as one table: request, status, type, lifetime, bytes. Each row is asked three times: of
// a gateway that keeps nothing in memory, of one that reads the object for it, and of one that has
// it. The three answers are the same to the byte.
#include "services/gateway/testing/gateway_fixture.hpp"

#include <set>

namespace vora::gateway::testing {
namespace {

constexpr auto m3u8 = "application/vnd.apple.mpegurl";
constexpr auto ts = "video/mp2t";
constexpr auto jpeg = "image/jpeg";
constexpr auto problem = "application/problem+json";
constexpr auto forever = "public, max-age=31536000, immutable";
constexpr auto day = "public, max-age=86400";
constexpr auto shortly = "public, max-age=10, s-maxage=10";
constexpr auto hour = "private, max-age=3600, immutable";
constexpr auto missing = "max-age=0, s-maxage=2";
constexpr auto never = "no-store";

struct row {
    std::string
        request;  // "GET /path"; {p} {s}: a public and a private video, {g}: the grant of {s}
    std::vector<std::pair<std::string, std::string>> headers;
    int status;
    std::string type;     // empty: none
    std::string cache;    // empty: not looked at
    std::string body;     // "": none, "*": any, "all", or "FIRST-LAST" of segment 1
    std::string range{};  // Content-Range
};

using fields = std::vector<std::pair<std::string, std::string>>;

// {e}: the segment's ETag.
std::vector<row> objects() {
    const std::string seg = "GET /play/public/{p}/720p/seg_01.ts";
    const std::string of = "GET /play/public/{p}";
    return {
        // what there is
        {of + "/master.m3u8", {}, 200, m3u8, shortly, "*"},
        {of + "/360p/playlist.m3u8", {}, 200, m3u8, forever, "*"},
        {of + "/720p/playlist.m3u8", {}, 200, m3u8, forever, "*"},
        {of + "/1080p/playlist.m3u8", {}, 200, m3u8, forever, "*"},
        {seg, {}, 200, ts, forever, "all"},
        {of + "/1080p/seg_01.ts", {}, 200, ts, forever, "all"},
        {of + "/720p/seg_02.ts", {}, 200, ts, forever, "*"},
        {of + "/360p/seg_03.ts", {}, 200, ts, forever, ""},
        {of + "/thumbnail.jpg", {}, 200, jpeg, day, "*"},
        {"HEAD /play/public/{p}/master.m3u8", {}, 200, m3u8, shortly, ""},
        {"HEAD /play/public/{p}/720p/playlist.m3u8", {}, 200, m3u8, forever, ""},
        {"HEAD /play/public/{p}/720p/seg_01.ts", {}, 200, ts, forever, ""},
        {"HEAD /play/public/{p}/360p/seg_03.ts", {}, 200, ts, forever, ""},
        {"HEAD /play/public/{p}/thumbnail.jpg", {}, 200, jpeg, day, ""},
        // what a request may carry without meaning
        {seg, {{"Accept-Encoding", "gzip, br"}}, 200, ts, forever, "all"},
        {seg, {{"Cookie", "a=b; vora_play=x"}}, 200, ts, forever, "all"},
        {seg, {{"Authorization", "Bearer x"}}, 200, ts, forever, "all"},
        {seg, {{"Origin", "https://elsewhere.example"}}, 200, ts, forever, "all"},
        {seg, {{"Accept", "image/png"}}, 200, ts, forever, "all"},
        {seg + "?CMCD=br%3D3200%2Cot%3Dv", {}, 200, ts, forever, "all"},
        {seg + "?x=1&x=2", {}, 200, ts, forever, "all"},
        {seg + "?", {}, 200, ts, forever, "all"},
        {seg, {{"If-Modified-Since", "Mon, 23 Nov 2037 17:00:48 GMT"}}, 200, ts, forever, "all"},
        {seg, {{"If-Unmodified-Since", "Mon, 23 Nov 1998 17:00:48 GMT"}}, 200, ts, forever, "all"},
        // one range
        {seg, {{"Range", "bytes=0-0"}}, 206, ts, forever, "0-0", "bytes 0-0/300000"},
        {seg, {{"Range", "bytes=0-187"}}, 206, ts, forever, "0-187", "bytes 0-187/300000"},
        {seg, {{"Range", "bytes=188-375"}}, 206, ts, forever, "188-375", "bytes 188-375/300000"},
        {seg, {{"Range", "bytes=0-"}}, 206, ts, forever, "0-299999", "bytes 0-299999/300000"},
        {seg, {{"Range", "bytes=1-"}}, 206, ts, forever, "1-299999", "bytes 1-299999/300000"},
        {seg,
         {{"Range", "bytes=299999-"}},
         206,
         ts,
         forever,
         "299999-299999",
         "bytes 299999-299999/300000"},
        {seg,
         {{"Range", "bytes=70000-270000"}},
         206,
         ts,
         forever,
         "70000-270000",
         "bytes 70000-270000/300000"},
        {seg, {{"Range", "bytes=0-999999"}}, 206, ts, forever, "0-299999", "bytes 0-299999/300000"},
        {seg,
         {{"Range", "bytes=5-18446744073709551615"}},
         206,
         ts,
         forever,
         "5-299999",
         "bytes 5-299999/300000"},
        {seg,
         {{"Range", "bytes=-1"}},
         206,
         ts,
         forever,
         "299999-299999",
         "bytes 299999-299999/300000"},
        {seg,
         {{"Range", "bytes=-188"}},
         206,
         ts,
         forever,
         "299812-299999",
         "bytes 299812-299999/300000"},
        {seg, {{"Range", "bytes=-300000"}}, 206, ts, forever, "0-299999", "bytes 0-299999/300000"},
        {seg, {{"Range", "bytes=-999999"}}, 206, ts, forever, "0-299999", "bytes 0-299999/300000"},
        {seg, {{"range", "Bytes=0-0"}}, 206, ts, forever, "0-0", "bytes 0-0/300000"},
        // outside
        {seg, {{"Range", "bytes=300000-"}}, 416, problem, never, "*", "bytes */300000"},
        {seg, {{"Range", "bytes=300000-300001"}}, 416, problem, never, "*", "bytes */300000"},
        {seg, {{"Range", "bytes=999999999-"}}, 416, problem, never, "*", "bytes */300000"},
        {seg, {{"Range", "bytes=-0"}}, 416, problem, never, "*", "bytes */300000"},
        {of + "/360p/seg_03.ts", {{"Range", "bytes=0-"}}, 416, problem, never, "*", "bytes */0"},
        {of + "/master.m3u8", {{"Range", "bytes=99999-"}}, 416, problem, never, "*"},
        // none, or several: the whole
        {seg, {{"Range", "bytes=9-1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes="}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=-"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=a-b"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes 0-1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "items=0-1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "0-1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=0-1,5-6"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=0-1,"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=+0-1"}}, 200, ts, forever, "all"},
        {seg, {{"Range", "bytes=0x0-1"}}, 200, ts, forever, "all"},
        {"HEAD /play/public/{p}/720p/seg_01.ts", {{"Range", "bytes=0-1"}}, 200, ts, forever, ""},
        // conditions
        {seg, {{"If-None-Match", "{e}"}}, 304, "", forever, ""},
        {seg, {{"If-None-Match", "W/{e}"}}, 304, "", forever, ""},
        {seg, {{"If-None-Match", "\"a\", {e} ,\"b\""}}, 304, "", forever, ""},
        {seg, {{"If-None-Match", "*"}}, 304, "", forever, ""},
        {seg, {{"If-None-Match", "\"a\""}}, 200, ts, forever, "all"},
        {seg, {{"If-None-Match", "x"}}, 200, ts, forever, "all"},
        {seg, {{"If-None-Match", "{e}"}, {"Range", "bytes=0-1"}}, 304, "", forever, ""},
        {seg, {{"If-Match", "{e}"}}, 200, ts, forever, "all"},
        {seg, {{"If-Match", "*"}}, 200, ts, forever, "all"},
        {seg, {{"If-Match", "\"a\", {e}"}}, 200, ts, forever, "all"},
        {seg, {{"If-Match", "W/{e}"}}, 412, problem, never, "*"},
        {seg, {{"If-Match", "\"a\""}}, 412, problem, never, "*"},
        {seg, {{"If-Match", "\"a\""}, {"If-None-Match", "{e}"}}, 412, problem, never, "*"},
        {seg,
         {{"If-Match", "{e}"}, {"Range", "bytes=0-9"}},
         206,
         ts,
         forever,
         "0-9",
         "bytes 0-9/300000"},
        {seg,
         {{"If-None-Match", "\"a\""}, {"Range", "bytes=0-9"}},
         206,
         ts,
         forever,
         "0-9",
         "bytes 0-9/300000"},
        {seg,
         {{"If-Range", "{e}"}, {"Range", "bytes=0-9"}},
         206,
         ts,
         forever,
         "0-9",
         "bytes 0-9/300000"},
        {seg, {{"If-Range", "\"a\""}, {"Range", "bytes=0-9"}}, 200, ts, forever, "all"},
        {seg, {{"If-Range", "W/{e}"}, {"Range", "bytes=0-9"}}, 200, ts, forever, "all"},
        {seg,
         {{"If-Range", "Mon, 23 Nov 2037 17:00:48 GMT"}, {"Range", "bytes=0-9"}},
         200,
         ts,
         forever,
         "all"},
        {seg, {{"If-Range", "{e}"}}, 200, ts, forever, "all"},
        {"HEAD /play/public/{p}/720p/seg_01.ts", {{"If-None-Match", "{e}"}}, 304, "", forever, ""},
        {"HEAD /play/public/{p}/720p/seg_01.ts", {{"If-Match", "\"a\""}}, 412, problem, never, ""},
        // methods
        {"OPTIONS /play/public/{p}/720p/seg_01.ts", {}, 204, "", "", ""},
        {"OPTIONS /play/anything", {}, 204, "", "", ""},
        {"POST /play/public/{p}/720p/seg_01.ts", {}, 405, problem, never, "*"},
        {"PUT /play/public/{p}/720p/seg_01.ts", {}, 405, problem, never, "*"},
        {"PATCH /play/public/{p}/master.m3u8", {}, 405, problem, never, "*"},
        {"DELETE /play/public/{p}/master.m3u8", {}, 405, problem, never, "*"},
        {"DELETE /play/public/{s}/master.m3u8", {}, 405, problem, never, "*"},
    };
}

std::vector<row> names_and_paths() {
    std::vector<row> rows;
    // Names that are none, and videos that are not for everyone: not found, whatever the reason.
    for (const std::string path : {"/play/public/{p}",
                                   "/play/public/{p}/",
                                   "/play/public/{p}/master.m3u",
                                   "/play/public/{p}/MASTER.M3U8",
                                   "/play/public/{p}/Master.m3u8",
                                   "/play/public/{p}/playlist.m3u8",
                                   "/play/public/{p}/720p",
                                   "/play/public/{p}/720p/",
                                   "/play/public/{p}/720P/seg_01.ts",
                                   "/play/public/{p}/480p/seg_01.ts",
                                   "/play/public/{p}/0720p/seg_01.ts",
                                   "/play/public/{p}/720p/seg_1.ts",
                                   "/play/public/{p}/720p/seg_001.ts",
                                   "/play/public/{p}/720p/seg_00.ts",
                                   "/play/public/{p}/720p/seg_04.ts",
                                   "/play/public/{p}/720p/seg_-1.ts",
                                   "/play/public/{p}/720p/seg_99999999999999999999.ts",
                                   "/play/public/{p}/720p/seg_01.TS",
                                   "/play/public/{p}/720p/seg_01.ts/",
                                   "/play/public/{p}/720p/seg_01.ts.part",
                                   "/play/public/{p}/thumbnail.png",
                                   "/play/public/{p}/.tmp",
                                   "/play/public/{p}/g1/master.m3u8",
                                   "/play/public/{s}/master.m3u8",
                                   "/play/public/{s}/720p/seg_01.ts",
                                   "/play/public/{s}/thumbnail.jpg",
                                   "/play/public/not-a-uuid/master.m3u8",
                                   "/play/public/9d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f13/master.m3u8",
                                   "/play/public",
                                   "/play/",
                                   "/play/public/{p}/720p/seg_01.ts;x",
                                   "/play/public/{p}/%6daster.m3u8",
                                   "/play/public/{p}/720p/seg_0%31.ts",
                                   "/play/public/{p}/%252e%252e/{s}/master.m3u8",
                                   "/play/public/{p}/720p/seg_01.ts%20"}) {
        rows.push_back({"GET " + path, {}, 404, problem, missing, "*"});
    }
    // Paths that climb or hide: refused by the gate, before any of this.
    for (const std::string path :
         {"/play/public/{p}/../{s}/720p/seg_01.ts", "/play/public/{p}/./master.m3u8",
          "/play/public/{p}/%2e%2e/{s}/720p/seg_01.ts", "/play/public/{p}/%2E%2E/{s}/master.m3u8",
          "/play/public/{p}/.%2e/{s}/master.m3u8", "/play/public/{p}//720p/seg_01.ts",
          "/play/public//{p}/master.m3u8", "/play//public/{p}/master.m3u8",
          "/play/public/{p}/720p%2fseg_01.ts", "/play/public/{p}/720p%2Fseg_01.ts",
          "/play/public/{p}/720p%5cseg_01.ts", "/play/public/{p}/720p\\seg_01.ts",
          "/play/public/{p}/720p/seg_01.ts%00", "/play/public/%00{p}/master.m3u8",
          "/play/public/{p}/%zz", "/play/public/{p}/720p/seg_01.ts%0a", "/play/public/{p}/%",
          "/play/public/{p}/%c0%ae%c0%ae/x"}) {
        rows.push_back({"GET " + path, {}, 400, problem, never, "*"});
    }
    return rows;
}

std::vector<row> grants(const std::string& good, const std::string& other,
                        const std::string& expired, const std::string& small) {
    std::vector<row> rows;
    const auto flipped = good.substr(0, good.size() - 1) + (good.back() == '0' ? "1" : "0");
    const auto mac = good.rfind('.');
    auto upper = good;
    std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
    const std::string bad[] = {
        flipped,
        good.substr(0, good.size() - 1),
        good + "0",
        good.substr(0, mac),
        good.substr(0, mac + 1),
        other,
        expired,
        upper,
        "k9" + good.substr(good.find('.')),
        "k0" + good.substr(good.find('.')),
        good + "." + good,
        good.substr(0, good.find('.')) + ".99999999999" + good.substr(good.find('.', 3)),
        std::string(5000, 'a'),
        std::string(4000, '.'),
        "k1.1.1",
        "k1.-1.0." + std::string(64, '0'),
        "k1.1e9.0." + std::string(64, '0'),
        "Public",
        "PUBLIC",
        "public.",
        "Cookie",
        "cookie",
        "null",
        "...",
        "vg1" + good.substr(good.find('.')),
    };
    for (const auto& grant : bad) {
        for (const auto* file : {"master.m3u8", "720p/seg_01.ts"}) {
            rows.push_back({"GET /play/" + grant + "/{s}/" + file, {}, 403, problem, never, "*"});
        }
    }
    const std::string own = "GET /play/{g}/{s}/";
    rows.push_back({own + "master.m3u8", {}, 200, m3u8, "private, max-age=10", "*"});
    rows.push_back({own + "720p/playlist.m3u8", {}, 200, m3u8, hour, "*"});
    rows.push_back({own + "720p/seg_01.ts", {}, 200, ts, hour, "all"});
    rows.push_back({own + "thumbnail.jpg", {}, 200, jpeg, "private, max-age=3600", "*"});
    rows.push_back({own + "nothing", {}, 404, problem, missing, "*"});
    rows.push_back({own + "720p/seg_01.ts", {{"If-None-Match", "*"}}, 304, "", hour, ""});
    rows.push_back({own + "720p/seg_01.ts",
                    {{"Range", "bytes=1-2"}},
                    206,
                    ts,
                    hour,
                    "1-2",
                    "bytes 1-2/300000"});
    // The same as a cookie.
    const std::string by_cookie = "GET /play/cookie/{s}/";
    for (const std::string name : {"vora_play", "__Secure-vora_play"}) {
        const fields c{{"Cookie", "x=y; " + name + "=" + good}};
        rows.push_back({by_cookie + "master.m3u8", c, 200, m3u8, "private, max-age=10", "*"});
        rows.push_back({by_cookie + "720p/seg_01.ts", c, 200, ts, hour, "all"});
        rows.push_back({"GET /play/cookie/{p}/720p/seg_01.ts", c, 403, problem, never, "*"});
    }
    for (const auto& value : {flipped, other, expired, std::string("public"), std::string("")}) {
        rows.push_back({by_cookie + "720p/seg_01.ts",
                        {{"Cookie", "vora_play=" + value}},
                        403,
                        problem,
                        never,
                        "*"});
    }
    rows.push_back({by_cookie + "720p/seg_01.ts",
                    {{"Cookie", "Vora_play=" + good}},
                    403,
                    problem,
                    never,
                    "*"});
    // A cap holds for all below the master.
    const std::string capped = "GET /play/" + small + "/{s}/";
    rows.push_back({capped + "master.m3u8", {}, 200, m3u8, "private, max-age=10", "*"});
    rows.push_back({capped + "360p/playlist.m3u8", {}, 200, m3u8, hour, "*"});
    rows.push_back({capped + "360p/seg_01.ts", {}, 200, ts, hour, "all"});
    rows.push_back({capped + "thumbnail.jpg", {}, 200, jpeg, "private, max-age=3600", "*"});
    for (const auto* above :
         {"720p/playlist.m3u8", "720p/seg_01.ts", "1080p/playlist.m3u8", "1080p/seg_01.ts"}) {
        rows.push_back({capped + above, {}, 403, problem, never, "*"});
    }
    return rows;
}

class the_table : public gateway_fixture {
 protected:
    std::vector<row> rows() const {
        auto all = objects();
        const auto also = [&](std::vector<row> more) {
            all.insert(all.end(), more.begin(), more.end());
        };
        also(names_and_paths());
        also(grants(grant(private_id), grant(public_id), grant(private_id, -1s),
                    grant(private_id, 1h, 480)));
        return all;
    }

    std::string filled(std::string text) const {
        const std::pair<std::string, std::string> places[] = {
            {"{p}", public_id}, {"{s}", private_id}, {"{g}", grant(private_id)}, {"{e}", etag_}};
        for (const auto& [place, value] : places) {
            for (auto at = text.find(place); at != text.npos; at = text.find(place)) {
                text.replace(at, place.size(), value);
            }
        }
        return text;
    }

    net::client_response ask(const row& r) {
        const auto request = filled(r.request);
        const auto space = request.find(' ');
        net::headers h;
        for (const auto& [name, value] : r.headers) {
            h.add(name, filled(value));
        }
        return send(request.substr(0, space), request.substr(space + 1), std::move(h));
    }

    void check(const row& r, const net::client_response& a) const {
        const auto value = [&](std::string_view name) {
            return std::string(a.headers.get(name).value_or(""));
        };
        EXPECT_EQ(a.status, r.status);
        EXPECT_EQ(value("Content-Type"), r.type);
        if (!r.cache.empty()) {
            EXPECT_EQ(value("Cache-Control"), r.cache);
        }
        EXPECT_EQ(value("Access-Control-Allow-Origin"), "*");
        EXPECT_EQ(value("X-Content-Type-Options"), "nosniff");
        EXPECT_EQ(value("Vary") + value("Set-Cookie") + value("Transfer-Encoding"), "");
        EXPECT_EQ(value("Retry-After"), "");
        if (!r.range.empty() || r.status == 200) {
            EXPECT_EQ(value("Content-Range"), r.range);
        }
        if (r.status == 200 || r.status == 206) {
            EXPECT_TRUE(value("ETag").starts_with('"')) << value("ETag");
            EXPECT_EQ(value("Accept-Ranges"), "bytes");
        }
        if (r.body == "all") {
            EXPECT_TRUE(a.body == segment_);
        } else if (r.body.empty()) {
            EXPECT_EQ(a.body, "");
        } else if (const auto dash = r.body.find('-'); dash != r.body.npos) {
            const auto first = std::stoul(r.body.substr(0, dash));
            const auto last = std::stoul(r.body.substr(dash + 1));
            EXPECT_TRUE(a.body == segment_.substr(first, last - first + 1));
        } else {
            EXPECT_NE(a.body, "");
            EXPECT_FALSE(a.status >= 400 && a.body.find("EXTM3U") != a.body.npos);
        }
    }

    // All of an answer but what differs from one request to the next.
    static std::string lasting(const net::client_response& a) {
        std::string all = std::to_string(a.status) + "\n";
        std::multiset<std::string> lines;
        for (const auto& [name, value] : a.headers.all()) {
            if (name != "Date" && name != "X-Request-Id") {
                lines.insert(name + ": " + value);
            }
        }
        for (const auto& line : lines) {
            all += line + "\n";
        }
        return all + a.body.substr(0, a.body.find("\"request_id\""));
    }

    std::vector<std::string> ask_all(const std::vector<row>& table) {
        std::vector<std::string> answers;
        for (const auto& r : table) {
            SCOPED_TRACE(filled(r.request) + (r.headers.empty() ? "" : " " + r.headers[0].second));
            const auto a = ask(r);
            check(r, a);
            answers.push_back(lasting(a));
        }
        return answers;
    }

    std::string etag_;
};

TEST_F(the_table, holds_with_nothing_in_memory_while_it_fills_and_from_memory) {
    config without;
    without.cache_bytes = 0;
    start(without);
    const auto first = get("/play/public/" + public_id + "/720p/seg_01.ts");
    etag_ = first.headers.get("ETag").value_or("");
    // The private video's segment is another file.
    const auto table = rows();
    ASSERT_GE(table.size(), 200u);
    const auto from_store = ask_all(table);
    EXPECT_EQ(metric("vora_gateway_cache_bytes"), 0);
    start({});
    const auto on_miss = ask_all(table);
    const int reads = store_->opens;
    const auto on_hit = ask_all(table);
    EXPECT_EQ(store_->opens, reads) << "all of it from memory";
    for (std::size_t i = 0; i < table.size(); ++i) {
        EXPECT_EQ(from_store[i] == on_miss[i], true) << table[i].request << "\n"
                                                     << from_store[i].substr(0, 600) << "\n"
                                                     << on_miss[i].substr(0, 600);
        EXPECT_EQ(on_miss[i] == on_hit[i], true) << table[i].request;
    }
}

}  // namespace
}  // namespace vora::gateway::testing
