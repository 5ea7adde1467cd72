#pragma once
// The page under every address of the application, and its files.

#include "libs/net/router.hpp"
#include "services/dashboard/core/site.hpp"

#include <functional>

namespace vora::dashboard {

class page_handler {
 public:
    // Answers GET /?token=...; HEAD and everything else get the page.
    using sign_in = std::function<net::response(net::request& r, std::string_view token)>;

    page_handler(const site& files, sign_in by_link);
    net::router routes();

 private:
    net::response index(net::request& r);
    net::response embed(net::request& r);
    net::response asset(net::request& r);

    const site& site_;
    sign_in by_link_;
};

}  // namespace vora::dashboard
