#pragma once
// The whole service behind a real server on loopback, over a real directory; hooks go to a real
// receiver.

#include "libs/net/client.hpp"
#include "libs/net/server.hpp"
#include "services/upload/app.hpp"
#include "services/upload/testing/service_fixture.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vora::upload {

using fields = std::map<std::string, std::string>;

class app_fixture : public testing::Test {
 protected:
    app_fixture();
    ~app_fixture() override;
    void start();
    void stop();
    void restart() {
        stop();
        start();
    }

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    void run_until(const std::function<bool()>& holds);

    net::client_response send(const std::string& method, const std::string& url,
                              fields headers = {}, std::string body = {});
    // With Tus-Resumable and, unless the URL has a grant, without any authorisation.
    net::client_response tus(const std::string& method, const std::string& url, fields more = {},
                             std::string body = {});
    net::client_response create(std::size_t length, fields more = {}, std::string body = {});
    net::client_response patch(const std::string& url, std::size_t offset, std::string body,
                               fields more = {});
    std::uint64_t offset_of(const std::string& url);
    net::client_response internal(const std::string& method, const std::string& path);

    std::string grant(const std::string& reference = "ref-1", const std::string& subject = "ann",
                      std::optional<std::uint64_t> length_max = {}) const;
    std::string token(const std::string& subject, auth::scope scope) const;
    std::string files_url(const std::string& grant_text) const {
        return "http://" + server->address() + "/files/?grant=" + grant_text;
    }
    std::string base() const { return "http://" + server->address(); }
    static std::string field(const net::client_response& r, std::string_view name);
    static std::string code_of(const net::client_response& r);
    static std::string id_of(const std::string& location);
    // Location without its query.
    static std::string bare(const std::string& location) {
        return location.substr(0, location.find('?'));
    }

    struct hook {
        std::string body;
        std::string id;
        bool signature_ok = false;
    };
    task<net::response> receive_hook(net::request& r);

    temp_dir dir;
    event_loop loop;
    blocking_pool pool{2};
    manual_clock clock;
    obs::metrics metrics;
    auth::grant_keys keys = auth::grant_keys::for_tests();
    std::optional<auth::token_issuer> issuer;
    config settings;
    std::vector<hook> hooks;
    int hook_status = 204;

    std::unique_ptr<net::server> hook_receiver;
    std::unique_ptr<blob::file_store> files_on_disk;
    std::unique_ptr<faulty_store<blob::file_store>> store;
    std::unique_ptr<app> uploads;
    std::unique_ptr<net::server> server;
    std::unique_ptr<net::client> client;
};

}  // namespace vora::upload
