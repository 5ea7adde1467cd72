#include "libs/durable/engine_temporal/temporal_errors.hpp"

#include "libs/durable/engine_temporal/failure_proto.hpp"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <temporal/api/errordetails/v1/message.pb.h>

#include <optional>

namespace vora::durable {

namespace details = temporal::api::errordetails::v1;

namespace {

constexpr int status_details_field = 3;  // of google.rpc.Status
constexpr std::size_t text_max = 500;

// The message of this type among the details of a google.rpc.Status. That message itself is not
// generated here: two copies of it cannot be in one program, and the metadata service has one.
template <class Message>
std::optional<Message> find(const std::string& serialized) {
    google::protobuf::Empty status;
    if (!status.ParseFromString(serialized)) {
        return std::nullopt;
    }
    const auto& fields = status.GetReflection()->GetUnknownFields(status);
    for (int i = 0; i < fields.field_count(); ++i) {
        const auto& field = fields.field(i);
        google::protobuf::Any any;
        Message message;
        if (field.number() == status_details_field &&
            field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
            any.ParseFromString(field.length_delimited()) && any.UnpackTo(&message)) {
            return message;
        }
    }
    return std::nullopt;
}

// "unknown_query: no query of that name" -> "unknown_query"; else nothing.
std::string leading_code(const std::string& text) {
    const auto end = text.find(": ");
    if (end == std::string::npos || end == 0 ||
        text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != end) {
        return {};
    }
    return text.substr(0, end);
}

// A query that the workflow's code refused: its reason is the refusal's type, which Temporal's core
// hands over as part of the text only.
error query_failed(const details::QueryFailedFailure& q, std::string text) {
    error e{errc::failed_precondition, "query_failed", std::move(text)};
    if (const auto code = leading_code(e.detail); !code.empty()) {
        e.reason = code;
    }
    if (q.has_failure()) {
        const auto refusal = from_proto(q.failure());  // root() is a part of it
        const auto& type = refusal.root().type;
        if (!type.empty()) {
            e.reason = type;
        }
    }
    return e;
}

}  // namespace

error error_of(const call_answer& a) {
    const std::string text = a.text.substr(0, text_max);
    switch (a.code) {
        case call_answer::not_found:
            if (find<details::NamespaceNotFoundFailure>(a.details)) {
                return {errc::unavailable, "temporal_namespace_missing", text};
            }
            return {errc::not_found, "workflow_not_found", text};
        case call_answer::already_exists:
            return {errc::already_exists, "workflow_already_started", text};
        case call_answer::invalid_argument:
            if (auto q = find<details::QueryFailedFailure>(a.details)) {
                return query_failed(*q, text);
            }
            return {errc::invalid_argument, "temporal_refused", text};
        case call_answer::failed_precondition:
            if (find<details::WorkflowNotReadyFailure>(a.details)) {
                return {errc::unavailable, "workflow_not_ready", text};
            }
            return {errc::failed_precondition, "temporal_refused", text};
        case call_answer::permission_denied:
        case call_answer::unauthenticated:
            return {errc::permission_denied, "temporal_permission_denied", text};
        case call_answer::resource_exhausted:
            return {errc::unavailable, "temporal_busy", text};
        case call_answer::deadline_exceeded:
            return {errc::unavailable, "temporal_timeout", text};
        case call_answer::cancelled:
            return {errc::unavailable, "engine_stopped", text};
        case call_answer::unavailable:
            return {errc::unavailable, "temporal_unavailable", text};
        default:
            // Its own trouble (INTERNAL, ABORTED, UNKNOWN): it may pass.
            return {errc::unavailable, "temporal_failed", text};
    }
}

}  // namespace vora::durable
