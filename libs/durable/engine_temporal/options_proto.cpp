#include "libs/durable/engine_temporal/options_proto.hpp"

#include <algorithm>
#include <string>

namespace vora::durable {

namespace {

// More milliseconds than this are no time of ours; protobuf allows 10,000 years.
constexpr std::int64_t seconds_max = 100LL * 366 * 24 * 3600 * 100;

// Temporal matches the attempt that timed out under these names.
std::string error_type(const std::string& type) {
    if (type == "start_to_close") {
        return "TemporalTimeout:StartToClose";
    }
    if (type == "heartbeat") {
        return "TemporalTimeout:Heartbeat";
    }
    return type;
}

milliseconds millis(std::int64_t seconds, std::int32_t nanos) {
    return std::chrono::seconds(std::clamp(seconds, -seconds_max, seconds_max)) +
           milliseconds(nanos / 1'000'000);
}

}  // namespace

google::protobuf::Duration to_proto(milliseconds d) {
    google::protobuf::Duration out;
    out.set_seconds(d.count() / 1000);
    out.set_nanos(static_cast<std::int32_t>(d.count() % 1000) * 1'000'000);
    return out;
}

milliseconds from_proto(const google::protobuf::Duration& d) {
    return millis(d.seconds(), d.nanos());
}

timestamp from_proto(const google::protobuf::Timestamp& t) {
    return timestamp(millis(t.seconds(), t.nanos()));
}

temporal::api::common::v1::RetryPolicy to_proto(const retry_policy& p) {
    temporal::api::common::v1::RetryPolicy out;
    *out.mutable_initial_interval() = to_proto(p.initial_interval);
    out.set_backoff_coefficient(std::max(p.backoff_coefficient, 1.0));
    if (p.maximum_interval.count() > 0) {
        *out.mutable_maximum_interval() =
            to_proto(std::max(p.maximum_interval, p.initial_interval));
    }
    out.set_maximum_attempts(p.maximum_attempts);
    for (const auto& type : p.non_retryable_error_types) {
        out.add_non_retryable_error_types(error_type(type));
    }
    return out;
}

}  // namespace vora::durable
