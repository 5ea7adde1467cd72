#include "services/metadata/adapters/upload_service_client.hpp"

#include "libs/base/encoding.hpp"

#include <nlohmann/json.hpp>

namespace vora::metadata {

namespace {

std::unexpected<error> bad_answer(const std::string& what) {
    return fail(errc::internal, "upload_service_bad_answer", what);
}

std::unexpected<error> away(const std::string& what) {
    return fail(errc::unavailable, "upload_service_unavailable", what);
}

std::optional<upload_view> view_of(const nlohmann::json& j) {
    if (!j.is_object()) {
        return std::nullopt;
    }
    const auto text = [&](const char* name) -> std::optional<std::string> {
        const auto found = j.find(name);
        if (found == j.end() || !found->is_string()) {
            return std::nullopt;
        }
        return found->get<std::string>();
    };
    const auto id = text("upload_id");
    const auto state = parse_upload_status(text("state").value_or(""));
    const auto reference = text("reference");
    const auto offset = j.find("offset");
    if (!id || !state || *state == upload_status::surplus || *state == upload_status::removed ||
        !reference || offset == j.end() || !offset->is_number_unsigned()) {
        return std::nullopt;
    }
    upload_view u;
    u.id = upload_id{*id};
    u.status = *state;
    u.reference = *reference;
    u.size_bytes = offset->get<std::int64_t>();
    u.object_key = text("object_key").value_or("");
    if (u.status == upload_status::finished && u.object_key.empty()) {
        return std::nullopt;
    }
    return u;
}

}  // namespace

result<upload_view> parse_upload_view(std::string_view body) {
    const auto u = view_of(nlohmann::json::parse(body, nullptr, false));
    if (!u) {
        return bad_answer("not an upload");
    }
    return *u;
}

result<std::vector<upload_view>> parse_upload_listing(std::string_view body) {
    const auto j = nlohmann::json::parse(body, nullptr, false);
    if (!j.is_object() || !j.contains("uploads") || !j["uploads"].is_array()) {
        return bad_answer("not a listing of uploads");
    }
    std::vector<upload_view> all;
    for (const auto& entry : j["uploads"]) {
        auto u = view_of(entry);
        if (!u) {
            return bad_answer("not an upload");
        }
        all.push_back(std::move(*u));
    }
    return all;
}

upload_service_client::upload_service_client(net::client& http, upload_service_options options)
    : http_(http), options_(std::move(options)) {}

task<result<net::client_response>> upload_service_client::send(std::string method,
                                                               std::string path_and_query) {
    net::client_request r;
    r.method = std::move(method);
    r.url = options_.base_url + "/internal/uploads" + path_and_query;
    r.headers.set("Authorization", "Bearer " + options_.secret);
    r.deadline = options_.deadline;
    auto answer = co_await http_.send(std::move(r));
    if (!answer) {
        co_return away(answer.error().reason);
    }
    if (answer->status >= 500 || answer->status == 429 || answer->status == 401) {
        co_return away("status " + std::to_string(answer->status));
    }
    co_return answer;
}

task<result<upload_view>> upload_service_client::find(upload_id id) {
    auto answer = co_await send("GET", "/" + percent_encode(id.value));
    if (!answer) {
        co_return fail(std::move(answer.error()));
    }
    if (answer->status == 404) {
        co_return fail(errc::not_found, "upload_not_found");
    }
    if (answer->status != 200) {
        co_return bad_answer("status " + std::to_string(answer->status));
    }
    auto u = parse_upload_view(answer->body);
    if (u && u->id != id) {
        co_return bad_answer("another upload than asked for");
    }
    co_return u;
}

task<result<std::vector<upload_view>>> upload_service_client::with_reference(
    std::string reference) {
    auto answer = co_await send("GET", "?reference=" + percent_encode(reference));
    if (!answer) {
        co_return fail(std::move(answer.error()));
    }
    if (answer->status != 200) {
        co_return bad_answer("status " + std::to_string(answer->status));
    }
    co_return parse_upload_listing(answer->body);
}

task<result<void>> upload_service_client::remove(upload_id id) {
    auto answer = co_await send("DELETE", "/" + percent_encode(id.value));
    if (!answer) {
        co_return fail(std::move(answer.error()));
    }
    if (answer->status != 204 && answer->status != 404) {
        co_return bad_answer("status " + std::to_string(answer->status));
    }
    co_return result<void>{};
}

}  // namespace vora::metadata
