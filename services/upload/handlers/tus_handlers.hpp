#pragma once
// tus 1.0.0 (core, creation, creation-with-upload, termination, expiration) at /files/ and
// /files/{upload_id}.

#include "libs/net/router.hpp"
#include "services/upload/core/upload_service.hpp"
#include "services/upload/handlers/authorizer.hpp"

#include <string>

namespace vora::upload {

class tus_handlers {
 public:
    // `public_url`: what Location starts with; empty = the origin the request was sent to.
    tus_handlers(upload_service& service, const authorizer& who_may, std::string public_url);

    // The handlers refer to this object.
    net::router routes();

 private:
    using method = task<net::response> (tus_handlers::*)(net::request&, authorized);

    void add(net::router& to, std::string verb, std::string pattern, method m);
    // What all answers share: version, authorisation, CORS.
    task<net::response> answer(net::request& r, method m);
    task<net::response> answer_undecorated(net::request& r, method m);
    task<net::response> options(net::request& r);

    task<net::response> create(net::request& r, authorized by);
    task<net::response> head(net::request& r, authorized by);
    task<net::response> patch(net::request& r, authorized by);
    task<net::response> terminate(net::request& r, authorized by);
    task<net::response> refuse_read(net::request& r, authorized by);

    std::string location_of(const net::request& r, const upload_id& id,
                            const std::string& grant) const;

    upload_service& service_;
    const authorizer& who_may_;
    std::string public_url_;
};

}  // namespace vora::upload
