#include "libs/base/assert.hpp"
#include "libs/base/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace vora {

std::string_view to_string(errc code) {
    switch (code) {
        case errc::cancelled:
            return "cancelled";
        case errc::invalid_argument:
            return "invalid_argument";
        case errc::deadline_exceeded:
            return "deadline_exceeded";
        case errc::not_found:
            return "not_found";
        case errc::already_exists:
            return "already_exists";
        case errc::permission_denied:
            return "permission_denied";
        case errc::unauthenticated:
            return "unauthenticated";
        case errc::resource_exhausted:
            return "resource_exhausted";
        case errc::failed_precondition:
            return "failed_precondition";
        case errc::aborted:
            return "aborted";
        case errc::out_of_range:
            return "out_of_range";
        case errc::unimplemented:
            return "unimplemented";
        case errc::internal:
            return "internal";
        case errc::unavailable:
            return "unavailable";
        case errc::data_loss:
            return "data_loss";
    }
    return "internal";
}

namespace detail {
void assertion_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "assertion failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}
}  // namespace detail

}  // namespace vora
