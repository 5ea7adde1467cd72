#include "libs/service/keys/trusted_tokens.hpp"

#include "libs/service/or_throw.hpp"

#include <fstream>
#include <sstream>

namespace vora::service {

namespace {

constexpr std::string_view key_name = "keys.issuer_public_file";

std::string read_pem(const std::string& path) {
    if (path.empty()) {
        return {};
    }
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in || text.view().empty()) {
        throw std::runtime_error(std::string(key_name) + ": " + path + " cannot be read");
    }
    return text.str();
}

}  // namespace

void trusted_tokens_config::bind(config::schema& s) {
    s.add(std::string(key_name), &issuer_public_file,
          "PEM file with the public key of the platform's own issuer; empty = its tokens do not "
          "count");
    provider.bind(s);
}

trusted_tokens::trusted_tokens(executor ex, blocking_pool& pool, const trusted_tokens_config& c,
                               const obs::logger& log, obs::metrics& metrics)
    : issuer_pem_(read_pem(c.issuer_public_file)),
      provider_(ex, pool, c.provider, log.for_service("auth"), metrics) {
    verifier();  // a key that is none ends the process here
}

auth::token_verifier trusted_tokens::verifier() const {
    auth::token_verifier v;
    if (!issuer_pem_.empty()) {
        or_throw(v.add_issuer(issuer_pem_), std::string(key_name));
    }
    provider_.add_to(v);
    return v;
}

}  // namespace vora::service
