#pragma once
// Databases on a real PostgreSQL server (VORA_TEST_POSTGRES), each test's own: a Store of the
// contract (video_repository_contract.hpp).

#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"
#include "services/metadata/adapters/postgres_connection.hpp"
#include "services/metadata/adapters/postgres_video_repository.hpp"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace vora::metadata {

inline deadline_point in_a_minute() {
    return std::chrono::steady_clock::now() + 60s;
}

inline std::string server_url() {
    const char* url = std::getenv("VORA_TEST_POSTGRES");
    if (url == nullptr) {
        throw std::runtime_error("VORA_TEST_POSTGRES names no server: see tests/README.md");
    }
    return url;
}

inline void run_on(const std::string& url, const std::string& sql) {
    postgres_connection c(parse_postgres_url(url).value(), 0, in_a_minute());
    postgres_session(c).run(sql);
}

struct postgres_store {
    static constexpr bool has_replicas = true;

    postgres_store(vora::executor executor, blocking_pool&) : ex(std::move(executor)) {
        run_on(server_url(), "CREATE DATABASE " + name);
    }
    ~postgres_store() { run_on(server_url(), "DROP DATABASE " + name + " WITH (FORCE)"); }

    std::string url() const {
        const auto server = server_url();
        return server.substr(0, server.rfind('/') + 1) + name;
    }
    std::unique_ptr<sql_video_repository> make(milliseconds patience = 60s) const {
        postgres_options o;
        o.connections = 4;
        o.patience = patience;
        return std::make_unique<postgres_video_repository>(ex, url(), o);
    }
    std::unique_ptr<sql_video_repository> open(milliseconds patience = 60s) const {
        auto made = make(patience);
        if (auto r = made->open(); !r) {
            throw std::runtime_error(r.error().reason + ": " + r.error().detail);
        }
        return made;
    }
    void sql(const std::string& text) const { run_on(url(), text); }
    // Ends every connection of ours, as a server that is started again does; returns when all are
    // gone.
    void end_connections() const {
        run_on(server_url(),
               "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '" +
                   name + "'");
    }

    vora::executor ex;
    std::string name = "vora_test_" + random_hex(8);
};

}  // namespace vora::metadata
