#include "libs/net/problem.hpp"

#include <nlohmann/json.hpp>

namespace vora::net {

int http_status(errc code) {
    switch (code) {
        case errc::cancelled:
            return 499;
        case errc::invalid_argument:
            return 400;
        case errc::deadline_exceeded:
            return 504;
        case errc::not_found:
            return 404;
        case errc::already_exists:
            return 409;
        case errc::permission_denied:
            return 403;
        case errc::unauthenticated:
            return 401;
        case errc::resource_exhausted:
            return 429;
        case errc::failed_precondition:
            return 409;
        case errc::aborted:
            return 409;
        case errc::out_of_range:
            return 416;
        case errc::unimplemented:
            return 501;
        case errc::internal:
            return 500;
        case errc::unavailable:
            return 503;
        case errc::data_loss:
            return 500;
    }
    return 500;
}

namespace {

// What the body reader says about the peer's own bytes is the peer's doing, not ours.
int status_of(const error& e) {
    if (e.reason == "body_too_large") {
        return 413;
    }
    if (e.reason == "body_too_slow") {
        return 408;
    }
    if (e.reason == "body_interrupted") {
        return 400;
    }
    return http_status(e.code);
}

}  // namespace

response problem(const request& r, int status, const std::string& code, const std::string& detail,
                 const std::vector<field_error>& errors) {
    nlohmann::ordered_json body;
    body["type"] = "urn:vora:problem:" + code;
    body["title"] = reason_phrase(status);
    body["status"] = status;
    body["detail"] = detail;
    body["code"] = code;
    body["request_id"] = r.request_id;
    body["errors"] = nlohmann::ordered_json::array();
    for (const auto& e : errors) {
        body["errors"].push_back({{"pointer", e.pointer}, {"code", e.code}, {"detail", e.detail}});
    }
    auto answer = response::text(
        status, body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace),
        "application/problem+json");
    answer.headers.set("Cache-Control", "no-store");
    if (status == 401) {
        answer.headers.set("WWW-Authenticate", "Bearer");
    }
    return answer;
}

response problem(const request& r, const error& e, const std::vector<field_error>& errors) {
    const bool ours = e.code == errc::internal || e.code == errc::data_loss;
    const std::string code = e.reason.empty() ? std::string(to_string(e.code)) : e.reason;
    auto answer = problem(r, status_of(e), code,
                          ours ? "something went wrong here; it was logged" : e.detail, errors);
    if (ours) {
        answer.log_detail = e.detail;
    }
    return answer;
}

}  // namespace vora::net
