#include "services/dashboard/handlers/page_handler.hpp"

#include "services/dashboard/handlers/test_requests.hpp"

#include <gtest/gtest.h>

namespace vora::dashboard {
namespace {

constexpr page_file files[] = {
    {"/index.html", "text/html; charset=utf-8", "<!doctype html>page", {}},
    {"/embed.html", "text/html; charset=utf-8", "<!doctype html>player", {}},
    {"/assets/app-1.js", "text/javascript; charset=utf-8", "let plain;", "PACKED"},
    {"/assets/icon-1.svg", "image/svg+xml", "<svg/>", {}},
};

class page_handler_test : public ::testing::Test {
 protected:
    site files_ = *site::make(files, {});
    std::string token_seen_;
    page_handler pages_{files_, [this](net::request&, std::string_view token) {
                            token_seen_ = token;
                            return net::response::empty(303);
                        }};
    net::router routes_ = pages_.routes();
};

TEST_F(page_handler_test, every_address_of_the_application_gives_the_page) {
    for (const auto* path : {"/", "/watch/0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55", "/analytics",
                             "/analytics/0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55"}) {
        for (const auto* method : {"GET", "HEAD"}) {
            const auto answer = send(routes_, {method, path});
            EXPECT_EQ(answer.status, 200) << path;
            EXPECT_EQ(header(answer, "Content-Type"), "text/html; charset=utf-8");
            EXPECT_EQ(header(answer, "Cache-Control"), "no-cache");
        }
    }
}

TEST_F(page_handler_test, the_page_comes_with_a_strict_policy) {
    const auto answer = send(routes_, {"GET", "/"});
    EXPECT_EQ(header(answer, "Content-Security-Policy"), files_.policy());
    EXPECT_EQ(header(answer, "X-Frame-Options"), "DENY");
    EXPECT_EQ(header(answer, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
    EXPECT_NE(header(answer, "Permissions-Policy").find("camera=()"), std::string::npos);
}

TEST_F(page_handler_test, only_the_embed_page_may_be_framed) {
    const auto answer = send(routes_, {"GET", "/embed/0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "<!doctype html>player");
    EXPECT_EQ(header(answer, "Content-Security-Policy"), files_.embed_policy());
    EXPECT_TRUE(header(answer, "X-Frame-Options").empty());
    EXPECT_EQ(header(answer, "Cross-Origin-Resource-Policy"), "cross-origin");
    EXPECT_EQ(header(answer, "Referrer-Policy"), "no-referrer");
    EXPECT_EQ(send(routes_, {"GET", "/embed"}).status, 404);
    EXPECT_EQ(header(send(routes_, {"GET", "/analytics"}), "X-Frame-Options"), "DENY");
}

TEST_F(page_handler_test, a_known_page_is_not_sent_again) {
    const auto etag = header(send(routes_, {"GET", "/"}), "ETag");
    for (const auto& condition : {etag, "\"x\", W/" + etag, std::string("*")}) {
        const auto answer = send(routes_, {"GET", "/", {{"If-None-Match", condition}}});
        EXPECT_EQ(answer.status, 304) << condition;
        EXPECT_TRUE(answer.body.empty());
        EXPECT_EQ(header(answer, "ETag"), etag);
        EXPECT_FALSE(header(answer, "Content-Security-Policy").empty());
    }
    EXPECT_EQ(send(routes_, {"GET", "/", {{"If-None-Match", "\"other\""}}}).status, 200);
}

TEST_F(page_handler_test, hashed_files_are_cached_for_ever) {
    const auto answer = send(routes_, {"GET", "/assets/icon-1.svg"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "<svg/>");
    EXPECT_EQ(header(answer, "Content-Type"), "image/svg+xml");
    EXPECT_EQ(header(answer, "Cache-Control"), "public, max-age=31536000, immutable");
    EXPECT_TRUE(header(answer, "Vary").empty());
}

TEST_F(page_handler_test, the_packed_form_goes_only_to_who_accepts_it) {
    const auto get = [&](const std::string& accepted) {
        return send(routes_, {"GET", "/assets/app-1.js", {{"Accept-Encoding", accepted}}});
    };
    for (const auto* accepted : {"gzip", "br, gzip;q=0.8", "deflate,gzip ; q=1"}) {
        const auto answer = get(accepted);
        EXPECT_EQ(answer.body, "PACKED") << accepted;
        EXPECT_EQ(header(answer, "Content-Encoding"), "gzip");
        EXPECT_EQ(header(answer, "Vary"), "Accept-Encoding");
    }
    for (const auto* accepted : {"", "br", "gzip;q=0", "gzip;q=0.0, br", "xgzip"}) {
        const auto answer = get(accepted);
        EXPECT_EQ(answer.body, "let plain;") << accepted;
        EXPECT_TRUE(header(answer, "Content-Encoding").empty());
        EXPECT_EQ(header(answer, "Vary"), "Accept-Encoding");
    }
}

TEST_F(page_handler_test, a_tag_of_one_form_does_not_stand_for_the_other) {
    const auto plain = header(send(routes_, {"GET", "/assets/app-1.js"}), "ETag");
    const auto answer =
        send(routes_,
             {"GET", "/assets/app-1.js", {{"Accept-Encoding", "gzip"}, {"If-None-Match", plain}}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(header(answer, "ETag"), plain);
}

TEST_F(page_handler_test, what_is_not_there_is_a_problem) {
    for (const auto* path :
         {"/assets/none.js", "/assets/a/b", "/nothing", "/watch", "/index.html"}) {
        const auto answer = send(routes_, {"GET", path});
        EXPECT_EQ(answer.status, 404) << path;
        EXPECT_EQ(header(answer, "Content-Type"), "application/problem+json") << path;
    }
    EXPECT_EQ(send(routes_, {"POST", "/"}).status, 405);
}

TEST_F(page_handler_test, a_link_is_used_by_get_on_the_start_page_only) {
    const fields token = {{"token", "abc"}};
    EXPECT_EQ(send(routes_, {"HEAD", "/", {}, "", token}).status, 200);
    EXPECT_EQ(send(routes_, {"GET", "/watch/x", {}, "", token}).status, 200);
    EXPECT_EQ(token_seen_, "");
    EXPECT_EQ(send(routes_, {"GET", "/", {}, "", token}).status, 303);
    EXPECT_EQ(token_seen_, "abc");
}

}  // namespace
}  // namespace vora::dashboard
