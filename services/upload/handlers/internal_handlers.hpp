#pragma once
// What other services of the installation may ask: contracts/internal/README.md.

#include "libs/net/router.hpp"
#include "services/upload/core/upload_service.hpp"

#include <string>

namespace vora::upload {

class internal_handlers {
 public:
    // Without a secret every request is refused.
    internal_handlers(upload_service& service, std::string secret);

    // The handlers refer to this object.
    net::router routes();

 private:
    using method = task<net::response> (internal_handlers::*)(net::request&);

    void add(net::router& to, std::string verb, std::string pattern, method m);
    task<net::response> answer(net::request& r, method m);
    task<net::response> get_one(net::request& r);
    task<net::response> list(net::request& r);
    task<net::response> remove(net::request& r);

    upload_service& service_;
    std::string secret_;
};

}  // namespace vora::upload
