// What crosses to Temporal comes back the same; what others make is understood.

#include "libs/durable/engine_temporal/failure_proto.hpp"
#include "libs/durable/engine_temporal/options_proto.hpp"
#include "libs/durable/engine_temporal/payload_proto.hpp"
#include "libs/durable/engine_temporal/temporal_address.hpp"

#include <gtest/gtest.h>

namespace vora::durable {
namespace {

using namespace std::chrono_literals;
using temporal::api::common::v1::Payloads;
using proto_failure = temporal::api::failure::v1::Failure;

// Through the wire, as between processes.
failure round_trip(const failure& f) {
    proto_failure p;
    EXPECT_TRUE(p.ParseFromString(to_proto(f).SerializeAsString()));
    return from_proto(p);
}

TEST(temporal_payload, is_json_plain_and_comes_back) {
    Payloads p;
    to_payloads(R"({"a":"ü"})", p);
    ASSERT_EQ(p.payloads_size(), 1);
    EXPECT_EQ(p.payloads(0).metadata().at("encoding"), "json/plain");
    EXPECT_EQ(json_of(p), R"({"a":"ü"})");
}

TEST(temporal_payload, empty_text_is_no_payload) {
    Payloads p;
    to_payloads("1", p);
    to_payloads("", p);
    EXPECT_EQ(p.payloads_size(), 0);
    EXPECT_EQ(json_of(p), "");
}

TEST(temporal_payload, null_of_another_sdk_is_empty_text) {
    Payloads p;
    (*p.add_payloads()->mutable_metadata())["encoding"] = "binary/null";
    EXPECT_EQ(json_of(p), "");
}

TEST(temporal_payload, another_encoding_or_a_second_value_is_refused) {
    Payloads p;
    auto& first = *p.add_payloads();
    first.set_data("x");
    EXPECT_EQ(json_of(p).error().reason, "payload_not_json");
    (*first.mutable_metadata())["encoding"] = "binary/plain";
    EXPECT_EQ(json_of(p).error().reason, "payload_not_json");
    (*first.mutable_metadata())["encoding"] = "json/plain";
    EXPECT_TRUE(json_of(p));
    *p.add_payloads() = first;
    EXPECT_EQ(json_of(p).error().reason, "payload_not_json");
}

TEST(temporal_failure, an_application_failure_keeps_its_type_its_details_and_its_end) {
    auto f = failure::application("input_not_video", "no stream", true);
    f.details = R"({"probe":1})";
    const auto back = round_trip(f);
    EXPECT_EQ(back.what, failure::kind::application);
    EXPECT_EQ(back.type, "input_not_video");
    EXPECT_EQ(back.message, "no stream");
    EXPECT_TRUE(back.non_retryable);
    EXPECT_EQ(back.details, R"({"probe":1})");
    EXPECT_FALSE(back.cause);
    EXPECT_FALSE(round_trip(failure::application("flaky", "")).non_retryable);
}

TEST(temporal_failure, every_kind_comes_back_as_itself) {
    for (const char* type : {"start_to_close", "heartbeat", "schedule_to_close"}) {
        const auto back = round_trip(failure::timeout(type));
        EXPECT_EQ(back.what, failure::kind::timeout);
        EXPECT_EQ(back.type, type);
        EXPECT_EQ(back.message, failure::timeout(type).message);
    }
    EXPECT_TRUE(round_trip(failure::cancelled()).is_cancelled());
    EXPECT_EQ(round_trip(failure::cancelled()).type, "cancelled");
    failure terminated;
    terminated.what = failure::kind::terminated;
    EXPECT_EQ(round_trip(terminated).what, failure::kind::terminated);
}

TEST(temporal_failure, an_activity_wraps_what_really_happened) {
    auto timeout = failure::timeout("schedule_to_close");
    timeout.cause = std::make_shared<const failure>(failure::application("flaky", "third"));
    const auto back = round_trip(failure::activity("media.encode", timeout));
    EXPECT_EQ(back.what, failure::kind::activity);
    EXPECT_EQ(back.type, "media.encode");
    ASSERT_TRUE(back.cause);
    EXPECT_EQ(back.cause->what, failure::kind::timeout);
    EXPECT_EQ(back.root().type, "flaky");
    EXPECT_EQ(back.root().message, "third");
    EXPECT_TRUE(round_trip(failure::activity("a", failure::cancelled())).is_cancelled());
}

TEST(temporal_failure, a_timed_out_attempt_is_not_explained_by_the_attempt_before) {
    for (const char* type : {"start_to_close", "heartbeat"}) {
        auto timeout = failure::timeout(type);
        timeout.cause = std::make_shared<const failure>(failure::application("flaky", "first"));
        EXPECT_EQ(round_trip(failure::activity("encode", timeout)).root().type, type);
    }
}

TEST(temporal_failure, a_childs_last_words_are_cut_and_made_utf_8) {
    auto f = failure::application("x", std::string(1'999, 'm') + "ü and on");
    EXPECT_EQ(round_trip(f).message, std::string(1'999, 'm'));
    f.message = "ok \xff\xc3 \xe2\x82\xac \xed\xa0\x80 \xc3";
    EXPECT_EQ(round_trip(f).message, "ok ?? \xe2\x82\xac ??? ?");
    f.details = std::string(10'000, '1');
    EXPECT_EQ(round_trip(f).details, "");
}

TEST(temporal_failure, an_endless_chain_is_cut) {
    failure f = failure::application("innermost", "");
    for (int i = 0; i < 100; ++i) {
        f = failure::activity("a", f);
    }
    EXPECT_EQ(round_trip(f).root().type, "a");
    proto_failure p;
    p.mutable_application_failure_info()->set_type("innermost");
    for (int i = 0; i < 90; ++i) {
        proto_failure outer;
        *outer.mutable_cause() = p;
        p = std::move(outer);
    }
    EXPECT_EQ(from_proto(p).root().type, "unknown_failure");
}

TEST(temporal_failure, kinds_of_others_are_application_failures_with_a_name) {
    proto_failure p;
    p.set_message("shard gone");
    p.mutable_server_failure_info()->set_non_retryable(true);
    EXPECT_EQ(from_proto(p).type, "server_failure");
    EXPECT_TRUE(from_proto(p).non_retryable);
    EXPECT_EQ(from_proto(p).message, "shard gone");
    p.mutable_child_workflow_execution_failure_info();
    EXPECT_EQ(from_proto(p).type, "child_workflow_failure");
    p.mutable_nexus_handler_failure_info();
    EXPECT_EQ(from_proto(p).type, "nexus_failure");
    p.mutable_reset_workflow_failure_info();
    EXPECT_EQ(from_proto(p).type, "workflow_reset");
    EXPECT_EQ(from_proto(proto_failure()).type, "unknown_failure");
}

TEST(temporal_options, durations_and_times_come_back) {
    for (const milliseconds d : {0ms, 1ms, 999ms, 1'000ms, 90'061'007ms}) {
        EXPECT_EQ(from_proto(to_proto(d)), d);
    }
    google::protobuf::Timestamp t;
    t.set_seconds(1'700'000'000);
    t.set_nanos(123'999'999);
    EXPECT_EQ(to_unix_ms(from_proto(t)), 1'700'000'000'123);
    t.set_seconds(std::numeric_limits<std::int64_t>::max());
    EXPECT_GT(from_proto(t), timestamp());
}

TEST(temporal_options, a_retry_policy_is_temporals_and_valid) {
    retry_policy p;
    p.initial_interval = 5s;
    p.maximum_interval = 2s;  // Temporal refuses one below the initial interval
    p.backoff_coefficient = 0.5;
    p.maximum_attempts = 3;
    p.non_retryable_error_types = {"encoder_crashed", "start_to_close", "heartbeat"};
    const auto out = to_proto(p);
    EXPECT_EQ(from_proto(out.initial_interval()), 5s);
    EXPECT_EQ(from_proto(out.maximum_interval()), 5s);
    EXPECT_EQ(out.backoff_coefficient(), 1.0);
    EXPECT_EQ(out.maximum_attempts(), 3);
    ASSERT_EQ(out.non_retryable_error_types_size(), 3);
    EXPECT_EQ(out.non_retryable_error_types(0), "encoder_crashed");
    EXPECT_EQ(out.non_retryable_error_types(1), "TemporalTimeout:StartToClose");
    EXPECT_EQ(out.non_retryable_error_types(2), "TemporalTimeout:Heartbeat");
}

TEST(temporal_url, has_a_host_a_port_and_a_namespace) {
    const auto full = parse_temporal_url("temporal://temporal.internal:7000/vora-2");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->host_port, "temporal.internal:7000");
    EXPECT_EQ(full->namespace_name, "vora-2");
    const auto brief = parse_temporal_url("temporal://[::1]");
    ASSERT_TRUE(brief);
    EXPECT_EQ(brief->host_port, "[::1]:7233");
    EXPECT_EQ(brief->namespace_name, "default");
}

TEST(temporal_url, that_is_wrong_is_refused_with_the_reason) {
    for (const char* url : {"", "http://a:1/b", "temporal://", "temporal://:7233", "temporal://a:0",
                            "temporal://a:70000", "temporal://a:7x", "temporal://a:1/",
                            "temporal://a:1/b/c", "temporal://user@a:1", "temporal://a b:1"}) {
        const auto r = parse_temporal_url(url);
        ASSERT_FALSE(r) << url;
        EXPECT_EQ(r.error().reason, "bad_temporal_url");
        EXPECT_NE(r.error().detail.find("temporal://HOST:PORT/NAMESPACE"), std::string::npos);
    }
}

}  // namespace
}  // namespace vora::durable
