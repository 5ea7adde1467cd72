#include "libs/durable/engine_temporal/failure_proto.hpp"

#include "libs/durable/engine_temporal/payload_proto.hpp"

#include <algorithm>
#include <string_view>

namespace vora::durable {

namespace proto = temporal::api::failure::v1;
namespace enums = temporal::api::enums::v1;

namespace {

constexpr std::size_t type_max = 200;
constexpr std::size_t message_max = 2'000;
constexpr std::size_t details_max = 4'000;
constexpr int causes_max = 8;

// Cuts before a character of UTF-8, not through one: protobuf refuses half ones.
std::string cut(std::string text, std::size_t bytes_max) {
    if (text.size() > bytes_max) {
        std::size_t end = bytes_max;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
            --end;
        }
        text.resize(end);
    }
    return text;
}

// What a child process says may be any bytes; a protobuf string is UTF-8.
std::string printable(std::string text) {
    const auto follows = [&text](std::size_t at, std::size_t count) {
        return at + count < text.size() &&
               std::all_of(
                   text.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                   text.begin() + static_cast<std::ptrdiff_t>(at + count) + 1,
                   [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; });
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
        if (c < 0x80) {
            continue;
        }
        if (c >= 0xC2 && c <= 0xDF && follows(i, 1)) {
            i += 1;
        } else if (c >= 0xE0 && c <= 0xEF && follows(i, 2) && (c != 0xE0 || next >= 0xA0) &&
                   (c != 0xED || next < 0xA0)) {
            i += 2;
        } else if (c >= 0xF0 && c <= 0xF4 && follows(i, 3) && (c != 0xF0 || next >= 0x90) &&
                   (c != 0xF4 || next < 0x90)) {
            i += 3;
        } else {
            text[i] = '?';
        }
    }
    return text;
}

enums::TimeoutType timeout_of(std::string_view type) {
    if (type == "heartbeat") {
        return enums::TIMEOUT_TYPE_HEARTBEAT;
    }
    if (type == "schedule_to_close") {
        return enums::TIMEOUT_TYPE_SCHEDULE_TO_CLOSE;
    }
    if (type == "schedule_to_start") {
        return enums::TIMEOUT_TYPE_SCHEDULE_TO_START;
    }
    return enums::TIMEOUT_TYPE_START_TO_CLOSE;
}

const char* name_of(enums::TimeoutType type) {
    switch (type) {
        case enums::TIMEOUT_TYPE_HEARTBEAT:
            return "heartbeat";
        case enums::TIMEOUT_TYPE_SCHEDULE_TO_CLOSE:
            return "schedule_to_close";
        case enums::TIMEOUT_TYPE_SCHEDULE_TO_START:
            return "schedule_to_start";
        default:
            return "start_to_close";
    }
}

void fill_application(const failure& f, proto::Failure& out) {
    auto& info = *out.mutable_application_failure_info();
    info.set_type(cut(printable(f.type), type_max));
    info.set_non_retryable(f.non_retryable);
    if (!f.details.empty() && f.details.size() <= details_max) {
        to_payloads(f.details, *info.mutable_details());
    }
}

void fill(const failure& f, proto::Failure& out, int depth) {
    out.set_message(cut(printable(f.message), message_max));
    out.set_source("vora");
    switch (f.what) {
        case failure::kind::application:
            fill_application(f, out);
            break;
        case failure::kind::cancelled:
            out.mutable_canceled_failure_info();
            break;
        case failure::kind::timeout:
            out.mutable_timeout_failure_info()->set_timeout_type(timeout_of(f.type));
            break;
        case failure::kind::activity:
            out.mutable_activity_failure_info()->mutable_activity_type()->set_name(
                cut(printable(f.type), type_max));
            break;
        case failure::kind::terminated:
            out.mutable_terminated_failure_info();
            break;
    }
    if (f.cause && depth < causes_max) {
        fill(*f.cause, *out.mutable_cause(), depth + 1);
    }
}

failure from_application(const proto::ApplicationFailureInfo& info) {
    failure f;
    f.type = info.type();
    f.non_retryable = info.non_retryable();
    if (auto details = json_of(info.details())) {
        f.details = std::move(*details);
    }
    return f;
}

// A kind of another SDK's making, or of the server's.
failure foreign(const proto::Failure& p) {
    switch (p.failure_info_case()) {
        case proto::Failure::kServerFailureInfo:
            return failure::application("server_failure", {},
                                        p.server_failure_info().non_retryable());
        case proto::Failure::kResetWorkflowFailureInfo:
            return failure::application("workflow_reset", {});
        case proto::Failure::kChildWorkflowExecutionFailureInfo:
            return failure::application("child_workflow_failure", {});
        case proto::Failure::kNexusOperationExecutionFailureInfo:
        case proto::Failure::kNexusHandlerFailureInfo:
            return failure::application("nexus_failure", {});
        default:
            return failure::application("unknown_failure", {});
    }
}

failure without_cause(const proto::Failure& p) {
    failure f;
    switch (p.failure_info_case()) {
        case proto::Failure::kApplicationFailureInfo:
            f = from_application(p.application_failure_info());
            break;
        case proto::Failure::kTimeoutFailureInfo:
            f.what = failure::kind::timeout;
            f.type = name_of(p.timeout_failure_info().timeout_type());
            break;
        case proto::Failure::kCanceledFailureInfo:
            f.what = failure::kind::cancelled;
            f.type = "cancelled";
            break;
        case proto::Failure::kTerminatedFailureInfo:
            f.what = failure::kind::terminated;
            f.type = "terminated";
            break;
        case proto::Failure::kActivityFailureInfo:
            f.what = failure::kind::activity;
            f.type = p.activity_failure_info().activity_type().name();
            break;
        default:
            f = foreign(p);
    }
    f.message = p.message();
    return f;
}

// An attempt that timed out has, on Temporal, the end of the attempt before as its cause. It is not
// why this one ended, and root() must not say so; what ran out of time over all attempts ended by
// its last failure.
bool has_foreign_cause(const failure& f) {
    return f.what == failure::kind::timeout &&
           (f.type == "start_to_close" || f.type == "heartbeat");
}

failure from(const proto::Failure& p, int depth) {
    failure f = without_cause(p);
    if (p.has_cause() && depth < causes_max && !has_foreign_cause(f)) {
        f.cause = std::make_shared<const failure>(from(p.cause(), depth + 1));
    }
    return f;
}

}  // namespace

proto::Failure to_proto(const failure& f) {
    proto::Failure out;
    fill(f, out, 0);
    return out;
}

failure from_proto(const proto::Failure& f) {
    return from(f, 0);
}

}  // namespace vora::durable
