#include "libs/service/keys/token_keys.hpp"

#include "libs/auth/jwks.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/https_get.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace vora::service {

namespace {

constexpr milliseconds fetch_deadline{5'000};
constexpr std::string_view file_scheme = "file:";

// "file:/a/b" and "file:///a/b".
std::string path_of(std::string_view url) {
    url.remove_prefix(file_scheme.size());
    while (url.starts_with("//")) {
        url.remove_prefix(1);
    }
    return std::string(url);
}

result<auth::jwks_document> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in || text.view().size() > auth::jwks_bytes_max) {
        return fail(errc::unavailable, "file_not_readable");
    }
    return auth::jwks_document{text.str(), std::nullopt};
}

std::optional<std::chrono::seconds> max_age_of(std::string_view cache_control) {
    constexpr std::string_view name = "max-age=";
    const auto at = cache_control.find(name);
    if (at == cache_control.npos) {
        return std::nullopt;
    }
    auto digits = cache_control.substr(at + name.size());
    digits = digits.substr(0, digits.find_first_not_of("0123456789"));
    const auto n = parse_uint(digits);
    return n && *n < 1'000'000'000 ? std::optional(std::chrono::seconds(*n)) : std::nullopt;
}

result<auth::jwks_document> document_of(int status, const net::headers& fields, std::string body) {
    if (status != 200) {
        return fail(errc::unavailable, "bad_answer", "status " + std::to_string(status));
    }
    return auth::jwks_document{std::move(body),
                               max_age_of(fields.get("Cache-Control").value_or(""))};
}

}  // namespace

void token_keys_config::bind(config::schema& s) {
    s.add("auth.jwks_url", &jwks_url,
          "key set of an identity provider whose tokens count beside our own: https, http or file");
    s.add("auth.jwks_ca_file", &jwks_ca_file,
          "PEM file of the authorities that https of auth.jwks_url is checked with; empty = the "
          "system's");
    s.add("auth.jwks_refresh_min_s", &jwks_refresh_min,
          "least time between two fetches because a token names a key that is not known");
    s.add("auth.issuer", &issuer, "iss that the provider's tokens must have; empty = any");
    s.add("auth.audience", &audience, "aud that the provider's tokens must name");
    s.add("auth.scope_claim", &scope_claim,
          "claim of the provider's tokens that holds view, edit or admin among its words");
}

token_keys::token_keys(executor ex, blocking_pool& pool, token_keys_config c, obs::logger log,
                       obs::metrics& metrics)
    : pool_(pool), config_(std::move(c)), log_(std::move(log)), metrics_(metrics), http_(ex) {
    const std::string_view url = config_.jwks_url;
    if (url.empty()) {
        return;
    }
    if (!url.starts_with("https://") && !url.starts_with("http://") &&
        !url.starts_with(file_scheme)) {
        throw std::runtime_error(
            "auth.jwks_url must begin with https://, http:// or file:, not \"" + config_.jwks_url +
            "\"");
    }
    auth::jwks_options options;
    options.refresh_min = config_.jwks_refresh_min;
    source_ = std::make_shared<auth::jwks_source>(
        ex, auth::issuer_rules{config_.issuer, config_.audience, config_.scope_claim},
        [this] { return fetch(); }, [this](const result<std::size_t>& keys) { heard(keys); },
        options);
}

void token_keys::add_to(auth::token_verifier& v) const {
    if (source_) {
        v.trust(source_);
    }
}

void token_keys::start() {
    if (source_) {
        source_->start();
    }
}

task<> token_keys::stop() {
    if (source_) {
        co_await source_->stop();
    }
    http_.close();
}

task<result<auth::jwks_document>> token_keys::fetch() {
    const auto& url = config_.jwks_url;
    if (url.starts_with(file_scheme)) {
        auto read = co_await pool_.run([path = path_of(url)] { return read_file(path); });
        co_return read;
    }
    if (url.starts_with("https://")) {
        net::https_request r{url, config_.jwks_ca_file, fetch_deadline, auth::jwks_bytes_max};
        auto answer = co_await pool_.run([r = std::move(r)] { return net::https_get(r); });
        if (!answer) {
            co_return fail(std::move(answer.error()));
        }
        co_return document_of(answer->status, answer->fields, std::move(answer->body));
    }
    net::client_request r;
    r.url = url;
    r.deadline = fetch_deadline;
    r.body_bytes_max = auth::jwks_bytes_max;
    r.headers.set("Accept", "application/json");
    auto answer = co_await http_.send(std::move(r));
    if (!answer) {
        co_return fail(std::move(answer.error()));
    }
    co_return document_of(answer->status, answer->headers, std::move(answer->body));
}

void token_keys::heard(const result<std::size_t>& keys) {
    metrics_
        .counter("vora_auth_jwks_fetches_total", "fetches of the identity provider's keys",
                 {{"result", keys ? "ok" : "failed"}})
        .add();
    if (keys) {
        metrics_.gauge("vora_auth_jwks_keys", "keys of the identity provider that count now")
            .set(static_cast<double>(*keys));
    }
    const auto trouble = keys ? std::string() : keys.error().reason;
    if (trouble != trouble_ && !keys) {
        log_.warn("jwks_not_fetched", {{"reason", trouble}, {"detail", keys.error().detail}});
    } else if (trouble != trouble_) {
        log_.info("jwks_fetched_again", {{"keys", *keys}});
    }
    trouble_ = trouble;
}

}  // namespace vora::service
