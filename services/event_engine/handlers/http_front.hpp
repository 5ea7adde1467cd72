#pragma once
// ClickHouse's HTTP interface over the port: enough for Vora's client and for the official ones.
// https://clickhouse.com/docs/interfaces/http

#include "libs/base/async.hpp"
#include "libs/net/router.hpp"
#include "services/event_engine/core/accounts.hpp"
#include "services/event_engine/core/sql_engine.hpp"

#include <memory>
#include <string>
#include <vector>

namespace vora::event_engine {

class http_front {
 public:
    // Statements that change data run on `writer`, one after the other; all others on one of
    // `readers`. Every request must name an account (X-ClickHouse-User and -Key, or Basic).
    http_front(std::unique_ptr<sql_engine> writer, std::vector<std::unique_ptr<sql_engine>> readers,
               accounts who);
    ~http_front();
    http_front(const http_front&) = delete;

    // GET and POST / and /ping. They refer to this object.
    net::router routes();
    // After the server has stopped: waits for running statements and closes the connections.
    void close();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::event_engine
