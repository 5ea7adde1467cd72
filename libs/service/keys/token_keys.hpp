#pragma once
// The keys of an identity provider, if one is configured: beside the local issuer its tokens count
// too.

#include "libs/auth/jwks_source.hpp"
#include "libs/config/config.hpp"
#include "libs/net/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"

#include <memory>
#include <string>

namespace vora::service {

struct token_keys_config {
    std::string jwks_url;  // http, https or file; empty: only tokens of our own
    std::string jwks_ca_file;
    std::chrono::seconds jwks_refresh_min{60};
    std::string issuer;
    std::string audience = std::string(auth::audience);
    std::string scope_claim = "scope";

    void bind(config::schema& s);
};

class token_keys {
 public:
    // Throws std::runtime_error for a URL that cannot be fetched.
    token_keys(executor ex, blocking_pool& pool, token_keys_config c, obs::logger log,
               obs::metrics& metrics);
    token_keys(const token_keys&) = delete;

    // Tells the verifier of them. Also before start().
    void add_to(auth::token_verifier& v) const;
    void start();
    task<> stop();

 private:
    task<result<auth::jwks_document>> fetch();
    void heard(const result<std::size_t>& keys);

    blocking_pool& pool_;
    token_keys_config config_;
    obs::logger log_;
    obs::metrics& metrics_;
    net::client http_;
    std::string trouble_;
    std::shared_ptr<auth::jwks_source> source_;  // absent: none configured
};

}  // namespace vora::service
