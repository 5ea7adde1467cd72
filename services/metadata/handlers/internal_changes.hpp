#pragma once
// GET /internal/playback/changes: what gateways wait on (contracts/internal).

#include "libs/net/router.hpp"
#include "services/metadata/core/change_feed.hpp"

#include <string>

namespace vora::metadata {

class internal_changes {
 public:
    internal_changes(change_feed& feed, std::string internal_secret);
    // The routes refer to this object.
    net::router routes();

 private:
    task<net::response> changes(net::request& r);

    change_feed& feed_;
    std::string internal_secret_;
};

}  // namespace vora::metadata
