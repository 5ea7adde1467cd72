#pragma once
// Times and retry policies <-> Temporal's.

#include "libs/base/clock.hpp"
#include "libs/durable/options.hpp"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <temporal/api/common/v1/message.pb.h>

namespace vora::durable {

google::protobuf::Duration to_proto(milliseconds d);
milliseconds from_proto(const google::protobuf::Duration& d);
timestamp from_proto(const google::protobuf::Timestamp& t);

// The types of timeouts in non_retryable_error_types ("start_to_close", ...) get Temporal's names
// for them.
temporal::api::common::v1::RetryPolicy to_proto(const retry_policy& p);

}  // namespace vora::durable
