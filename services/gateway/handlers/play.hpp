#pragma once
// /play/{grant}/{video_id}/{path...} over HTTP: grants, conditions, ranges, cache and CORS headers.

#include "libs/auth/grant.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"
#include "libs/obs/log.hpp"
#include "services/gateway/core/delivery.hpp"
#include "services/gateway/core/object_cache.hpp"
#include "services/gateway/core/store_gate.hpp"
#include "services/gateway/handlers/conditional.hpp"
#include "services/gateway/handlers/play_meters.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace vora::gateway {

class play_handler {
 public:
    // `answers_max`: requests served at once, streams that are being sent included.
    play_handler(delivery& delivery, store_gate& store, object_cache& objects,
                 auth::grant_keys keys, const clock_source& clock, obs::logger log,
                 play_meters& meters, std::size_t answers_max);
    ~play_handler();
    play_handler(const play_handler&) = delete;

    // From now on each answer also says what a shared cache in front may do with it.
    void advise_shared_cache() { advise_ = true; }
    // Everything under /play: every answer, refusals included, can be read by a page of any origin.
    net::router routes();

 private:
    struct permission;
    struct target;
    class slot;
    class object_source;

    task<net::response> get(net::request& r);
    task<net::response> serve(net::request& r, target& t);
    task<net::response> serve_object(const net::request& r, const target& t, std::string key,
                                     slot s);
    task<net::response> serve_open(const net::request& r, const target& t, const conditions& c,
                                   std::unique_ptr<object_reader> object, slot s);
    task<result<blob::object_info>> facts_of(std::string key);
    void advise(net::response& answer, const target& t) const;
    net::response serve_master(const net::request& r, const target& t, std::string text);
    net::response store_failure(const net::request& r, const target& t, const std::string& key,
                                const error& e);
    result<permission> permit(const net::request& r) const;
    result<permission> check_grant(std::string_view grant, std::string_view video_id) const;
    result<permission> check_cookie(const net::request& r, std::string_view video_id) const;

    delivery& delivery_;
    store_gate& store_;
    object_cache& objects_;
    auth::grant_keys keys_;
    const clock_source& clock_;
    obs::logger log_;
    play_meters& meters_;
    std::size_t answers_ = 0;
    std::size_t answers_max_;
    bool advise_ = false;
};

}  // namespace vora::gateway
