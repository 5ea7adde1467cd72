#include "libs/net/browser.hpp"

#include <gtest/gtest.h>

namespace vora::net {
namespace {

TEST(cookies, a_value_is_found_among_others_and_never_by_a_part_of_a_name) {
    headers h;
    h.add("cookie", "a=1;vora_session=x.y-z ; vora_session_old=b");
    EXPECT_EQ(cookie_value(h, "vora_session"), "x.y-z");
    EXPECT_EQ(cookie_value(h, "vora"), "");
    EXPECT_EQ(cookie_value(h, "session"), "");
    EXPECT_EQ(cookie_value(h, "a"), "1");
    EXPECT_EQ(cookie_value(headers{}, "a"), "");
    headers odd;
    odd.add("Cookie", ";;; =; a");
    odd.add("Cookie", "  a=2");
    EXPECT_EQ(cookie_value(odd, "a"), "2");
}

TEST(origin, the_configured_public_address_counts_as_our_own) {
    request r;
    r.host = "10.0.0.1:8080";
    r.headers.add("Origin", "https://vora.example");
    EXPECT_EQ(origin_of(r, ""), request_origin::foreign);
    EXPECT_EQ(origin_of(r, "https://vora.example"), request_origin::own);
    r.headers.add("Origin", "https://vora.example");
    EXPECT_EQ(origin_of(r, "https://vora.example"), request_origin::foreign);
}

TEST(origin, without_an_origin_the_browsers_word_on_the_site_counts) {
    request r;
    EXPECT_EQ(origin_of(r, ""), request_origin::unsaid);
    r.headers.set("Sec-Fetch-Site", "same-origin");
    EXPECT_EQ(origin_of(r, ""), request_origin::own);
    for (const auto* site : {"same-site", "cross-site", "none"}) {
        r.headers.set("Sec-Fetch-Site", site);
        EXPECT_EQ(origin_of(r, ""), request_origin::foreign) << site;
    }
}

}  // namespace
}  // namespace vora::net
