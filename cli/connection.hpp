#pragma once
// How the CLI finds its server: --data DIR (run.json and api.token in there), else VORA_URL and
// VORA_TOKEN, else ./vora-data.

#include "libs/base/async.hpp"
#include "libs/net/client.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace vora::cli {

struct connection {
    std::string url;    // "http://127.0.0.1:8080", no slash at the end
    std::string token;  // never printed
};

result<connection> find_server(const std::string& data_dir);
// The admin address of the server that holds the directory.
result<connection> find_admin(const std::string& data_dir);

// An answer that is no success, as an error with the problem's code and detail. The kind follows
// the status alone, the same for API and uploads: 404 and 410 not_found, 401 unauthenticated, 409
// and 423 aborted, 413 resource_exhausted, 5xx unavailable, else failed_precondition.
error error_of(const net::client_response& answer);

// One API call. `answer` is the parsed body (null when empty). A problem answer becomes an error
// with its code and detail.
task<result<nlohmann::json>> call(net::client& client, const connection& server, std::string method,
                                  std::string path, nlohmann::json body = nullptr);

// "unavailable: connection refused (is `vora up` running?)", for stderr.
std::string in_words(const error& e);

}  // namespace vora::cli
