#pragma once
// RFC 9457 problem details: {type, title, status, detail, code, request_id, errors[]}. The one
// table that maps errc to an HTTP status.

#include "libs/base/result.hpp"
#include "libs/net/http.hpp"

#include <string>
#include <vector>

namespace vora::net {

struct field_error {
    std::string pointer;  // RFC 6901, "/title"
    std::string code;
    std::string detail;
};

int http_status(errc code);

// `code` is the stable text code (error.reason). Internal errors show no detail outside.
response problem(const request& r, int status, const std::string& code, const std::string& detail,
                 const std::vector<field_error>& errors = {});
response problem(const request& r, const error& e, const std::vector<field_error>& errors = {});

}  // namespace vora::net
