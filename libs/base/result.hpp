#pragma once
// What may happen is returned: result<T>. One short error vocabulary (the gRPC canonical codes)
// plus a stable text code that clients and tests can match. HTTP mapping: libs/net/problem.hpp.

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace vora {

enum class errc {
    cancelled,          // the caller gave up
    invalid_argument,   // never right, whatever the state
    deadline_exceeded,  // a wait ran out; the outcome may be unknown; retry with the same key
    not_found,
    already_exists,  // the key or resource is taken (HTTP 409, or 412 for a conditional write)
    permission_denied,
    unauthenticated,
    resource_exhausted,   // a limit of ours or of the caller
    failed_precondition,  // not in this state (HTTP 409)
    aborted,              // lost a race: read again, then retry (HTTP 409)
    out_of_range,
    unimplemented,
    internal,     // a bug or a broken invariant
    unavailable,  // a dependency is away; retry with backoff
    data_loss,    // stored data is missing or damaged; do not retry
};

std::string_view to_string(errc code);

struct error {
    errc code = errc::internal;
    std::string reason;  // stable snake_case code, e.g. "upload_offset_mismatch"
    std::string detail;  // for people; never a secret, never a path of ours when it goes outside
};

template <class T = void>
using result = std::expected<T, error>;

inline std::unexpected<error> fail(errc code, std::string reason, std::string detail = {}) {
    return std::unexpected(error{code, std::move(reason), std::move(detail)});
}

// Hands an error on unchanged: `if (!r) return fail(r.error());`
inline std::unexpected<error> fail(error e) {
    return std::unexpected(std::move(e));
}

}  // namespace vora
