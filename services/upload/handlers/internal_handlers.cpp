#include "services/upload/handlers/internal_handlers.hpp"

#include "libs/auth/jwt.hpp"
#include "libs/base/crypto.hpp"
#include "libs/net/problem.hpp"
#include "services/upload/handlers/problems.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace vora::upload {

namespace {

using json = nlohmann::ordered_json;

json to_json(const upload_view& view) {
    const auto& info = view.info;
    return {{"upload_id", info.id.value},
            {"state", to_string(info.state)},
            {"offset", view.offset},
            {"length", info.length},
            {"reference", info.reference},
            {"object_key", info.object_key()},
            {"created_at", to_rfc3339(info.created)},
            {"expires_at", to_rfc3339(info.expires)}};
}

}  // namespace

internal_handlers::internal_handlers(upload_service& service, std::string secret)
    : service_(service), secret_(std::move(secret)) {}

net::router internal_handlers::routes() {
    net::router r;
    add(r, "GET", "/internal/uploads", &internal_handlers::list);
    add(r, "GET", "/internal/uploads/{upload_id}", &internal_handlers::get_one);
    add(r, "DELETE", "/internal/uploads/{upload_id}", &internal_handlers::remove);
    return r;
}

void internal_handlers::add(net::router& to, std::string verb, std::string pattern, method m) {
    to.add(std::move(verb), std::move(pattern),
           [this, m](net::request& r) { return answer(r, m); });
}

task<net::response> internal_handlers::answer(net::request& r, method m) {
    const auto header = r.headers.get("Authorization");
    const auto bearer = header ? auth::bearer_token(*header) : std::string_view();
    if (secret_.empty() || !equal_constant_time(bearer, secret_)) {
        co_return net::problem(r, 401, "unauthenticated", "the internal secret is needed");
    }
    co_return co_await (this->*m)(r);
}

task<net::response> internal_handlers::get_one(net::request& r) {
    if (!is_upload_id(r.param("upload_id"))) {
        co_return to_response(r, {errc::not_found, "no_such_upload", {}});
    }
    auto view = co_await service_.inspect(upload_id{std::string(r.param("upload_id"))});
    if (!view) {
        co_return to_response(r, view.error());
    }
    co_return net::response::json(200, to_json(*view).dump());
}

task<net::response> internal_handlers::list(net::request& r) {
    const auto reference = r.query_value("reference");
    if (!reference) {
        co_return net::problem(r, 400, "reference_needed", "the query needs reference=");
    }
    json uploads = json::array();
    for (const auto& id : service_.with_reference(std::string(*reference))) {
        auto view = co_await service_.inspect(id);
        if (view) {
            uploads.push_back(to_json(*view));
        } else if (view.error().code == errc::unavailable) {
            co_return to_response(r, view.error());
        }
    }
    co_return net::response::json(200, json{{"uploads", std::move(uploads)}}.dump());
}

task<net::response> internal_handlers::remove(net::request& r) {
    if (is_upload_id(r.param("upload_id"))) {
        auto done = co_await service_.remove(upload_id{std::string(r.param("upload_id"))});
        if (!done) {
            co_return to_response(r, done.error());
        }
    }
    co_return net::response::empty(204);
}

}  // namespace vora::upload
