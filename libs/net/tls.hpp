#pragma once
// https for net::client: client side only (TLS of the platform's own listeners ends at the edge).
// The server's certificate is always checked, against the system's authorities or those of one
// file. TLS 1.2 or newer.

#include "libs/base/result.hpp"

#include <memory>
#include <string>

namespace vora::net {

class transport_security;

// `ca_file`: PEM; empty = the system's. invalid_argument ("bad_ca_file").
result<std::shared_ptr<transport_security>> make_tls(const std::string& ca_file);

}  // namespace vora::net
