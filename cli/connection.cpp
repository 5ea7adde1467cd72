#include "cli/connection.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace vora::cli {

namespace {

std::string read_file(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '/')) {
        text.pop_back();
    }
    return text;
}

// `listener` is "http" or "admin".
result<connection> from_data_dir(const std::string& dir, const char* listener = "http") {
    const auto run = nlohmann::json::parse(read_file(dir + "/run.json"), nullptr, false);
    const auto http = run.is_object() ? run.value(listener, "") : "";
    if (http.empty()) {
        return fail(errc::unavailable, "server_not_found",
                    "no running server in " + dir + ": start one with `vora up --data " + dir +
                        "`, or set VORA_URL and VORA_TOKEN");
    }
    connection c;
    c.url = http.starts_with("http") ? http : "http://" + http;
    c.token = trimmed(read_file(dir + "/api.token"));
    if (c.token.empty()) {
        return fail(errc::unauthenticated, "token_not_found", "cannot read " + dir + "/api.token");
    }
    return c;
}

}  // namespace

error error_of(const net::client_response& answer) {
    const auto status = answer.status;
    const auto kind = status == 404 || status == 410   ? errc::not_found
                      : status == 401                  ? errc::unauthenticated
                      : status == 409 || status == 423 ? errc::aborted
                      : status == 413                  ? errc::resource_exhausted
                      : status >= 500                  ? errc::unavailable
                                                       : errc::failed_precondition;
    error e{kind, "http_" + std::to_string(status), {}};
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    const auto text = [&json](const char* key) {
        const auto found = json.find(key);
        return found != json.end() && found->is_string() ? found->get<std::string>() : "";
    };
    if (json.is_object()) {
        e.reason = text("code").empty() ? e.reason : text("code");
        e.detail = text("detail");
    }
    return e;
}

result<connection> find_server(const std::string& data_dir) {
    if (!data_dir.empty()) {
        return from_data_dir(data_dir);
    }
    if (const auto url = environment("VORA_URL"); !url.empty()) {
        connection c{trimmed(url), environment("VORA_TOKEN")};
        if (c.token.empty()) {
            return fail(errc::unauthenticated, "token_not_found",
                        "VORA_URL is set but VORA_TOKEN is not");
        }
        return c;
    }
    return from_data_dir("./vora-data");
}

result<connection> find_admin(const std::string& data_dir) {
    return from_data_dir(data_dir, "admin");
}

task<result<nlohmann::json>> call(net::client& client, const connection& server, std::string method,
                                  std::string path, nlohmann::json body) {
    net::client_request request;
    request.method = std::move(method);
    request.url = server.url + path;
    request.headers.set("Authorization", "Bearer " + server.token);
    if (!body.is_null()) {
        request.headers.set("Content-Type", "application/json");
        request.body = body.dump();
    }
    request.deadline = std::chrono::seconds(30);
    auto answer = co_await client.send(std::move(request));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status >= 200 && answer->status < 300) {
        auto json = nlohmann::json::parse(answer->body, nullptr, false);
        co_return json.is_discarded() ? nlohmann::json(nullptr) : std::move(json);
    }
    co_return fail(error_of(*answer));
}

std::string in_words(const error& e) {
    std::string text = e.reason;
    if (!e.detail.empty()) {
        text += ": " + e.detail;
    }
    if (e.reason == "connect_failed") {
        text += " (is `vora up` running?)";
    }
    return text;
}

}  // namespace vora::cli
