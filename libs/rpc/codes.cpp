#include "libs/rpc/server.hpp"

#include <array>

namespace vora::rpc {

std::string_view to_string(code c) {
    static constexpr std::array<std::string_view, 17> names{"OK",
                                                            "CANCELLED",
                                                            "UNKNOWN",
                                                            "INVALID_ARGUMENT",
                                                            "DEADLINE_EXCEEDED",
                                                            "NOT_FOUND",
                                                            "ALREADY_EXISTS",
                                                            "PERMISSION_DENIED",
                                                            "RESOURCE_EXHAUSTED",
                                                            "FAILED_PRECONDITION",
                                                            "ABORTED",
                                                            "OUT_OF_RANGE",
                                                            "UNIMPLEMENTED",
                                                            "INTERNAL",
                                                            "UNAVAILABLE",
                                                            "DATA_LOSS",
                                                            "UNAUTHENTICATED"};
    return names[static_cast<std::size_t>(c)];
}

code code_of(errc e) {
    switch (e) {
        case errc::cancelled:
            return code::cancelled;
        case errc::invalid_argument:
            return code::invalid_argument;
        case errc::deadline_exceeded:
            return code::deadline_exceeded;
        case errc::not_found:
            return code::not_found;
        case errc::already_exists:
            return code::already_exists;
        case errc::permission_denied:
            return code::permission_denied;
        case errc::unauthenticated:
            return code::unauthenticated;
        case errc::resource_exhausted:
            return code::resource_exhausted;
        case errc::failed_precondition:
            return code::failed_precondition;
        case errc::aborted:
            return code::aborted;
        case errc::out_of_range:
            return code::out_of_range;
        case errc::unimplemented:
            return code::unimplemented;
        case errc::internal:
            return code::internal;
        case errc::unavailable:
            return code::unavailable;
        case errc::data_loss:
            return code::data_loss;
    }
    return code::unknown;
}

}  // namespace vora::rpc
