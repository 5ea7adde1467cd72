#pragma once
// Whose tokens count in a stand-alone process: those of the platform's own issuer, by its public
// key, and those of an identity provider, if one is configured.

#include "libs/service/keys/token_keys.hpp"

#include <string>

namespace vora::service {

struct trusted_tokens_config {
    std::string issuer_public_file;  // PEM; empty: only the provider's tokens count
    token_keys_config provider;

    void bind(config::schema& s);
};

class trusted_tokens {
 public:
    // Throws std::runtime_error for a file or a URL that cannot be used.
    trusted_tokens(executor ex, blocking_pool& pool, const trusted_tokens_config& c,
                   const obs::logger& log, obs::metrics& metrics);

    auth::token_verifier verifier() const;
    void start() { provider_.start(); }
    task<> stop() { return provider_.stop(); }

 private:
    std::string issuer_pem_;
    token_keys provider_;
};

}  // namespace vora::service
