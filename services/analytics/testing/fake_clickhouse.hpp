#pragma once
// ClickHouse's HTTP interface as far as analytics uses it, over real HTTP, with levers. Rows of one
// token are stored once, as by a table with a deduplication window.

#include "libs/net/client.hpp"
#include "libs/net/server.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vora::analytics::testing {

class fake_clickhouse {
 public:
    explicit fake_clickhouse(executor ex);

    void start();  // on a free port, later on the same one
    task<> stop();
    const std::string& url() const { return url_; }

    // What it holds: seq -> how often.
    std::map<std::uint64_t, int> stored;
    std::set<std::string> tokens;
    int inserts = 0;
    int packed_inserts = 0;          // of them, those by gzip
    std::size_t largest_insert = 0;  // rows

    // Levers.
    bool has_table = false;
    bool foreign_table = false;          // of this name, with other columns
    std::string poison;                  // rows with this text are refused
    int answer_status = 0;               // to every insert, storing nothing
    int answer_code = 0;                 // with it
    int cut_after_storing = 0;           // so many inserts are stored and not answered
    int store_then_fail = 0;             // so many inserts are stored and answered 500
    std::chrono::milliseconds delay{0};  // before anything
    std::function<void()> on_insert;     // before anything is stored

 private:
    task<net::response> answer(net::request& r);
    net::response statement(const std::string& sql);
    task<net::response> insert(net::request& r, const std::string& sql);
    bool take(const std::string& rows);
    net::response refuse(int status, int code, const std::string& text);

    executor ex_;
    obs::metrics metrics_;
    std::string address_ = "127.0.0.1:0";
    std::string url_;
    std::unique_ptr<net::server> server_;
};

}  // namespace vora::analytics::testing
