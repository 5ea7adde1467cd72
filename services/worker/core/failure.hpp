#pragma once
// How media work fails. The code is part of the contract (contracts/activities/media.hpp); the
// detail is shown to the uploader and never carries a path or a tool's own words.

#include "libs/base/result.hpp"

#include <expected>
#include <string>

namespace vora::worker {

struct media_failure {
    std::string code;
    std::string detail;
    bool retryable = false;
};

template <class T = void>
using media_result = std::expected<T, media_failure>;

inline std::unexpected<media_failure> refuse(std::string code, std::string detail) {
    return std::unexpected(media_failure{std::move(code), std::move(detail), false});
}

inline std::unexpected<media_failure> crashed(std::string detail) {
    return std::unexpected(media_failure{"encoder_crashed", std::move(detail), true});
}

inline std::unexpected<media_failure> stopped() {
    return std::unexpected(media_failure{"cancelled", "the work was stopped", true});
}

// What the object store, or our own scratch disk, said. Missing or damaged objects stay so.
inline std::unexpected<media_failure> storage_failed(const error& e) {
    const bool lasting =
        e.code == errc::not_found || e.code == errc::data_loss || e.code == errc::invalid_argument;
    return std::unexpected(media_failure{lasting ? "storage_object_lost" : "storage_unavailable",
                                         "the object store said " + e.reason, !lasting});
}

}  // namespace vora::worker
