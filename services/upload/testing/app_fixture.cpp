#include "services/upload/testing/app_fixture.hpp"

#include "libs/auth/webhook.hpp"

#include <nlohmann/json.hpp>

namespace vora::upload {

namespace {

task<> wait_until(const std::function<bool()>& holds) {
    while (!holds()) {
        co_await sleep_for(std::chrono::milliseconds(1));
    }
}

net::server_options quick(std::string name) {
    net::server_options o;
    o.name = std::move(name);
    o.drain_timeout = std::chrono::milliseconds(50);
    return o;
}

}  // namespace

app_fixture::app_fixture() {
    issuer.emplace(*auth::token_issuer::load_or_create(dir.path / "issuer.pem"));
    net::router routes;
    routes.add("POST", "/hook", [this](net::request& r) { return receive_hook(r); });
    hook_receiver = std::make_unique<net::server>(loop.executor(), quick("hooks"),
                                                  std::move(routes), obs::logger(), metrics);
    EXPECT_TRUE(hook_receiver->start().has_value());
    settings.hook_url = "http://" + hook_receiver->address() + "/hook";
    settings.hook_secret = "hook secret of 24 bytes!";
    settings.internal_secret = "internal-secret";
    settings.hook_backoff_least = std::chrono::milliseconds(1);
    start();
}

app_fixture::~app_fixture() {
    stop();
    loop.run_until_done(hook_receiver->stop());
}

void app_fixture::start() {
    files_on_disk = std::make_unique<blob::file_store>(dir.path / "bucket", pool);
    store = std::make_unique<faulty_store<blob::file_store>>(*files_on_disk);
    auth::token_verifier verifier;
    EXPECT_TRUE(verifier.add_key(issuer->public_key_pem(), issuer->key_id()).has_value());
    uploads = std::make_unique<app>(loop.executor(), *store, *store, *store, keys,
                                    std::move(verifier), clock, obs::logger(), metrics, settings);
    auto routes = uploads->public_routes();
    routes.merge(uploads->internal_routes());
    server = std::make_unique<net::server>(loop.executor(), quick("uploads"), std::move(routes),
                                           obs::logger(), metrics);
    client = std::make_unique<net::client>(loop.executor());
    auto started = run(uploads->start());
    EXPECT_TRUE(started.has_value());
    EXPECT_TRUE(server->start().has_value());
}

void app_fixture::stop() {
    client->close();
    loop.run_until_done(server->stop());
    loop.run_until_done(uploads->stop());
    server.reset();
    uploads.reset();
    client.reset();
}

void app_fixture::run_until(const std::function<bool()>& holds) {
    loop.run_until_done(wait_until(holds));
}

task<net::response> app_fixture::receive_hook(net::request& r) {
    auto body = co_await net::read_all(*r.body, 1 << 20);
    hook h;
    h.body = body.value_or("");
    h.id = r.headers.get("webhook-id").value_or("");
    h.signature_ok =
        auth::verify_webhook(settings.hook_secret, h.id,
                             r.headers.get("webhook-timestamp").value_or(""),
                             r.headers.get("webhook-signature").value_or(""), h.body, clock.now())
            .has_value();
    hooks.push_back(std::move(h));
    co_return net::response::empty(hook_status);
}

net::client_response app_fixture::send(const std::string& method, const std::string& url,
                                       fields headers, std::string body) {
    net::client_request r;
    r.method = method;
    r.url = url;
    r.body = std::move(body);
    for (const auto& [name, value] : headers) {
        r.headers.set(name, value);
    }
    auto answer = run(client->send(std::move(r)));
    EXPECT_TRUE(answer.has_value()) << method << " " << url << " " << answer.error().reason;
    return answer ? std::move(*answer) : net::client_response{};
}

net::client_response app_fixture::tus(const std::string& method, const std::string& url,
                                      fields more, std::string body) {
    more.try_emplace("Tus-Resumable", "1.0.0");
    return send(method, url, std::move(more), std::move(body));
}

net::client_response app_fixture::create(std::size_t length, fields more, std::string body) {
    more.try_emplace("Upload-Length", std::to_string(length));
    return tus("POST", files_url(grant()), std::move(more), std::move(body));
}

net::client_response app_fixture::patch(const std::string& url, std::size_t offset,
                                        std::string body, fields more) {
    more.try_emplace("Upload-Offset", std::to_string(offset));
    more.try_emplace("Content-Type", "application/offset+octet-stream");
    return tus("PATCH", url, std::move(more), std::move(body));
}

std::uint64_t app_fixture::offset_of(const std::string& url) {
    const auto answer = tus("HEAD", url);
    EXPECT_EQ(answer.status, 200);
    return std::stoull("0" + field(answer, "Upload-Offset"));
}

net::client_response app_fixture::internal(const std::string& method, const std::string& path) {
    return send(method, base() + path, {{"Authorization", "Bearer " + settings.internal_secret}});
}

std::string app_fixture::grant(const std::string& reference, const std::string& subject,
                               std::optional<std::uint64_t> length_max) const {
    return auth::sign(keys, auth::upload_grant{.reference = reference,
                                               .subject = subject,
                                               .length_max = length_max,
                                               .expires = clock.now() + std::chrono::hours(24)});
}

std::string app_fixture::token(const std::string& subject, auth::scope scope) const {
    return issuer->mint(subject, scope, clock.now(), std::chrono::hours(1));
}

std::string app_fixture::field(const net::client_response& r, std::string_view name) {
    return std::string(r.headers.get(name).value_or(""));
}

std::string app_fixture::code_of(const net::client_response& r) {
    const auto body = nlohmann::json::parse(r.body, nullptr, false);
    return body.is_object() ? body.value("code", "") : "";
}

std::string app_fixture::id_of(const std::string& location) {
    const auto path = bare(location);
    return path.substr(path.rfind('/') + 1);
}

}  // namespace vora::upload
