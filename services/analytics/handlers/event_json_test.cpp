#include "services/analytics/handlers/event_json.hpp"

#include "services/analytics/core/row_binary.hpp"

#include <gtest/gtest.h>

namespace vora::analytics {
namespace {

const timestamp now{seconds(1'800'000'000)};

std::string one(const std::string& members) {
    return R"({"events":[{"event_type":"play","video_id":"v")" + members + "}]}";
}

parsed_events parse(const std::string& body) {
    event_parser parser;
    auto r = parser.parse(body, now);
    EXPECT_TRUE(r) << body;
    return r ? std::move(*r) : parsed_events{};
}

std::string reason_of(const std::string& body) {
    event_parser parser;
    auto r = parser.parse(body, now);
    return r ? "taken" : r.error().reason;
}

std::string row_of(event e) {
    std::string row;
    e.video_id = e.video_id.empty() ? "v" : e.video_id;
    e.event_type = e.event_type.empty() ? "play" : e.event_type;
    e.received_at = now;
    e.event_time = e.event_time == timestamp{} ? now : e.event_time;
    append_row(row, e);
    return row;
}

TEST(event_json, every_member_reaches_its_column) {
    const auto p =
        parse(one(R"(,"user_id":"u","session_id":"s","event_time":"2027-01-15T08:00:00.250Z",)"
                  R"("seq":3,"position_ms":1500,"value":250,"detail":"d\u00e9","further":[1]})"
                  R"(,{"video_id":"w","event_type":"heartbeat")"));
    EXPECT_EQ(p.good, 2u);
    event full{.event_time = now + 250ms,
               .user_id = "u",
               .session_id = "s",
               .seq = 3,
               .position_ms = 1500,
               .value = 250,
               .detail = "d\xc3\xa9"};
    EXPECT_EQ(p.rows, row_of(full) + row_of({.video_id = "w", .event_type = "heartbeat"}));
}

TEST(event_json, null_is_absent_and_fractions_are_cut) {
    const auto p =
        parse(one(R"(,"user_id":null,"position_ms":12.9,"value":1e3,"event_time":null)"));
    EXPECT_EQ(p.rows, row_of({.position_ms = 12, .value = 1000}));
}

TEST(event_json, times_are_rfc_3339_or_milliseconds_and_clamped) {
    const auto at = [](const std::string& t) { return parse(one(",\"event_time\":" + t)).rows; };
    EXPECT_EQ(at("1799999999000"), row_of({.event_time = now - 1s}));
    EXPECT_EQ(at("1799999999000.7"), row_of({.event_time = now - 1s}));
    EXPECT_EQ(at("\"2027-01-15T09:00:00+01:00\""), row_of({.event_time = now}));
    EXPECT_EQ(at("0"), row_of({.event_time = now - past_max}));
    EXPECT_EQ(at("-1e300"), row_of({.event_time = now - past_max}));
    EXPECT_EQ(at("1e300"), row_of({.event_time = now + future_max}));
    EXPECT_EQ(at("18446744073709551615"), row_of({.event_time = now + future_max}));
    EXPECT_EQ(at("\"9999-12-31T23:59:59Z\""), row_of({.event_time = now + future_max}));
}

TEST(event_json, a_bad_event_is_dropped_alone_and_counted_by_reason) {
    struct row {
        std::string event;
        drop_reason why;
    };
    const std::string long_id(65, 'x');
    const row table[] = {
        {"7", drop_reason::bad_shape},
        {"null", drop_reason::bad_shape},
        {R"({"video_id":"v"})", drop_reason::bad_type},
        {R"({"event_type":"Play","video_id":"v"})", drop_reason::bad_type},
        {R"({"event_type":7,"video_id":"v"})", drop_reason::bad_shape},
        {R"({"event_type":"play"})", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":""})", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":")" + long_id + "\"}", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":"a\nb"})", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":"a\u0000b"})", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":"v","user_id":"a\u0085"})", drop_reason::bad_id},
        {R"({"event_type":"play","video_id":"v","session_id":7})", drop_reason::bad_shape},
        {R"({"event_type":"play","video_id":"v","seq":-1})", drop_reason::bad_number},
        {R"({"event_type":"play","video_id":"v","value":1e18})", drop_reason::bad_number},
        {R"({"event_type":"play","video_id":"v","value":"7"})", drop_reason::bad_shape},
        {R"({"event_type":"play","video_id":"v","position_ms":true})", drop_reason::bad_shape},
        {R"({"event_type":"play","video_id":"v","event_time":"yesterday"})", drop_reason::bad_time},
        {R"({"event_type":"play","video_id":"v","event_time":[]})", drop_reason::bad_shape},
        {R"({"event_type":"error","video_id":"v","detail":")" + std::string(257, 'd') + "\"}",
         drop_reason::bad_detail},
    };
    for (const auto& [event, why] : table) {
        const auto p = parse(R"({"events":[{"event_type":"seek","video_id":"v"},)" + event +
                             R"(,{"event_type":"ended","video_id":"v"}]})");
        EXPECT_EQ(p.good, 2u) << event;
        for (std::size_t i = 0; i < drop_reasons; ++i) {
            EXPECT_EQ(p.bad[i], i == static_cast<std::size_t>(why) ? 1u : 0u) << event << i;
        }
        EXPECT_EQ(p.rows, row_of({.event_type = "seek"}) + row_of({.event_type = "ended"}));
    }
}

TEST(event_json, another_shape_is_refused_as_a_whole) {
    EXPECT_EQ(reason_of(""), "not_json");
    EXPECT_EQ(reason_of("hello"), "not_json");
    EXPECT_EQ(reason_of(R"({"events":[)"), "not_json");
    EXPECT_EQ(reason_of("{\"events\":[]} x"), "not_json");
    EXPECT_EQ(reason_of("{\"events\":[{\"video_id\":\"\xff\"}]}"), "not_json");
    EXPECT_EQ(reason_of(std::string(60'000, '[')), "not_json");
    EXPECT_EQ(reason_of("[]"), "not_events");
    EXPECT_EQ(reason_of("7"), "not_events");
    EXPECT_EQ(reason_of("{}"), "not_events");
    EXPECT_EQ(reason_of(R"({"events":{}})"), "not_events");
    EXPECT_EQ(reason_of(R"({"events":null})"), "not_events");
    EXPECT_EQ(reason_of(R"({"events":[]})"), "taken");
}

TEST(event_json, five_hundred_events_are_taken_and_one_more_is_not) {
    const auto with = [](int n) {
        std::string body = R"({"events":[)";
        for (int i = 0; i < n; ++i) {
            body += i > 0 ? ",{}" : "{}";
        }
        return body + "]}";
    };
    EXPECT_EQ(reason_of(with(500)), "taken");
    EXPECT_EQ(reason_of(with(501)), "too_many_events");
}

TEST(event_json, a_lone_surrogate_never_becomes_a_row) {
    for (const auto* id : {R"(\ud800)", R"(\udc00)", R"(\udc00x)", R"(\ud800\ud800)"}) {
        event_parser parser;
        const auto r = parser.parse(
            std::string(R"({"events":[{"event_type":"play","video_id":")") + id + "\"}]}", now);
        EXPECT_TRUE(!r || r->good == 0) << id;
    }
}

}  // namespace
}  // namespace vora::analytics
