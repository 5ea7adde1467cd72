#include "services/metadata/handlers/grpc_status.hpp"

#include <google/rpc/status.pb.h>

#include <algorithm>

namespace vora::metadata {

namespace {

// "video_not_found" -> "VIDEO_NOT_FOUND"
std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}

// Worth another try with the same words, and shortly.
bool passes_by_itself(const error& e) {
    return e.code == errc::unavailable || e.code == errc::deadline_exceeded ||
           e.reason == "request_in_flight";
}

// What people may be told: neither what is ours alone nor what another service said.
std::string shown(const error& e) {
    if (e.code == errc::internal || e.code == errc::data_loss) {
        return "something went wrong here; it was logged";
    }
    if (e.code == errc::unavailable || e.code == errc::deadline_exceeded) {
        return "not possible right now; try again shortly";
    }
    return e.detail;
}

google::rpc::Status status_of(const rpc::call& c, rpc::code code, const std::string& reason,
                              const std::string& text) {
    google::rpc::Status status;
    status.set_code(static_cast<int>(code));
    status.set_message(text);
    google::rpc::ErrorInfo info;
    info.set_reason(upper(reason));
    info.set_domain("vora");
    (*info.mutable_metadata())["request_id"] = c.request_id;
    status.add_details()->PackFrom(info);
    return status;
}

rpc::answer answer_with(rpc::code code, const google::rpc::Status& status) {
    rpc::answer a;
    a.code = code;
    a.text = status.message();
    a.details = status.SerializeAsString();
    return a;
}

}  // namespace

rpc::answer refusal_of(const rpc::call& c, const error& e) {
    const auto code = rpc::code_of(e.code);
    const auto reason = e.reason.empty() ? std::string(to_string(e.code)) : e.reason;
    auto status = status_of(c, code, reason, shown(e));
    if (passes_by_itself(e)) {
        google::rpc::RetryInfo retry;
        retry.mutable_retry_delay()->set_seconds(1);
        status.add_details()->PackFrom(retry);
    }
    return answer_with(code, status);
}

rpc::answer refusal_of(const rpc::call& c, const bad_input& e) {
    auto status = status_of(c, rpc::code::invalid_argument, e.code, e.detail);
    if (!e.errors.empty()) {
        google::rpc::BadRequest bad;
        for (const auto& wrong : e.errors) {
            auto* field = bad.add_field_violations();
            field->set_field(wrong.pointer.substr(1));  // "/title"
            field->set_description(wrong.detail);
            field->set_reason(upper(wrong.code));
        }
        status.add_details()->PackFrom(bad);
    }
    return answer_with(rpc::code::invalid_argument, status);
}

}  // namespace vora::metadata
