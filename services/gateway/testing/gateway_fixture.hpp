#pragma once
// A whole gateway on loopback: real server, real client, real file store, and a metadata service of
// a few lines with levers.

#include "libs/base/crypto.hpp"
#include "libs/blob/file/file_store.hpp"
#include "libs/net/client.hpp"
#include "libs/net/server.hpp"
#include "services/gateway/app.hpp"
#include "services/gateway/testing/fakes.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>

namespace vora::gateway::testing {

inline const std::string public_id = "6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10";
inline const std::string private_id = "7d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f11";
inline const std::string unready_id = "8d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f12";
inline const std::string unknown_id = "9d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f13";

class gateway_fixture : public ::testing::Test {
 protected:
    gateway_fixture();
    ~gateway_fixture() override;

    void SetUp() override { start({}); }
    void TearDown() override { stop(); }
    // Starts the gateway with this configuration; the addresses are filled in.
    void start(config c);
    void stop();

    net::client_response send(const std::string& method, const std::string& path,
                              net::headers headers = {});
    net::client_response get(const std::string& path, net::headers headers = {}) {
        return send("GET", path, std::move(headers));
    }
    task<result<net::client_response>> send_later(std::string path);
    void put(const std::string& key, const std::string& bytes);
    void set_video(const std::string& id, bool is_public, bool playable);
    std::string grant(const std::string& id, seconds ttl = 3600s, int max_height = 0) const {
        return auth::sign(keys_, auth::playback_grant{id, clock_.now() + ttl, max_height});
    }
    double metric(const std::string& line_start) const;

    event_loop loop_;
    blocking_pool pool_{4};
    std::filesystem::path dir_;
    fake_clock clock_;
    obs::metrics metrics_;
    auth::grant_keys keys_ = auth::grant_keys::for_tests();
    std::unique_ptr<blob::file_store> files_;
    std::unique_ptr<fake_store> store_;
    std::map<std::string, std::string> videos_;  // what metadata answers
    int metadata_status_ = 0;                    // when set, it answers this to everything
    int metadata_asked_ = 0;
    std::string seen_authorization_;
    std::string segment_;
    std::unique_ptr<net::server> metadata_;
    std::unique_ptr<app> app_;
    std::unique_ptr<net::server> front_;
    std::unique_ptr<net::client> client_;
};

}  // namespace vora::gateway::testing
