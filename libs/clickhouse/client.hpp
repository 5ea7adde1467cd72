#pragma once
// A client of ClickHouse's HTTP interface. Knows no table. The same code speaks to a server and to
// the embedded engine's process, whose address and key change with every start: hence `where`.
//
// Values never become SQL text: queries are fixed text with {name:Type} parameters
// (https://clickhouse.com/docs/interfaces/http, "param_NAME"), rows travel in the body.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vora::net {
class client;
class transport_security;
}  // namespace vora::net

namespace vora::clickhouse {

struct endpoint {
    std::string url;  // "http://127.0.0.1:8123"
    std::string user = "default";
    std::string password;
    std::string database = "vora";  // of what a statement names without one; letters, digits, _

    bool operator==(const endpoint&) const = default;
};

// "http://USER:PASSWORD@HOST:PORT/DATABASE", or https:// or clickhouse:// (which is http); user,
// password, port (8123, 8443) and database may be left out. invalid_argument ("bad_config_value"),
// without the text: it may hold a password.
result<endpoint> parse_endpoint(std::string_view text);

// For the net::client that speaks to it: null unless the URL is https. `ca_file`: PEM, empty = the
// system's authorities. invalid_argument ("bad_ca_file").
result<std::shared_ptr<net::transport_security>> security_for(const endpoint& at,
                                                              const std::string& ca_file);

using parameters = std::vector<std::pair<std::string, std::string>>;

struct insert_request {
    std::string into;    // "vora.PlaybackEvents (event_time, video_id)": fixed text
    std::string format;  // "RowBinary"
    std::string rows;    // the bytes in that format
    // insert_deduplication_token: the same token twice stores once, within the table's window.
    std::string token;
    std::chrono::milliseconds deadline{30'000};
    std::string encoding{};  // of `rows` as they travel: empty or "gzip", which every server reads
};

// Errors of every call, by what the caller should do:
//  unavailable ("clickhouse_unavailable"; also a missing table, 60 and 81), deadline_exceeded
//  ("clickhouse_slow"), resource_exhausted
//    ("clickhouse_overloaded": memory, disk, too many parts): keep what you have and come back
//    later;
//  invalid_argument ("clickhouse_rejected"): these bytes or this text will never be taken. From
//    insert() it means the bytes only: a column or setting unknown to the server is unavailable;
//  unauthenticated ("clickhouse_denied").
// `detail` holds ClickHouse's code and the first line of its message, for logs only.
//
// Before anything else, and again after a call that failed as if the server were gone or another
// one, the server is asked for its version and for the settings it has: those it does not know are
// left out (an old one refuses the whole request), and those that a user who only reads may not
// change.
class client {
 public:
    // nullopt from `where`: there is no engine now; calls answer unavailable at once.
    client(net::client& http, std::function<std::optional<endpoint>()> where);

    // "26.7.2.1". Always asked.
    task<result<std::string>> version(std::chrono::milliseconds deadline);
    // The endpoint's, if it is not there.
    task<result<void>> create_database(std::chrono::milliseconds deadline);
    // A statement without an answer: DDL.
    task<result<void>> execute(std::string sql, std::chrono::milliseconds deadline);
    // The answer in the format that `sql` names by FORMAT. readonly=1, max_execution_time =
    // deadline, where the user may set them.
    task<result<std::string>> query(std::string sql, parameters values,
                                    std::chrono::milliseconds deadline);
    // Success: the rows (or an equal insert of this token before) are part of the table. Sends
    // async_insert=0.
    task<result<void>> insert(insert_request r);

 private:
    struct call;
    // What the server at `asked` told about itself.
    struct facts {
        endpoint asked;
        std::string version;
        bool has_async_insert = false;
        bool has_tokens = false;
        int readonly = 0;  // of our user, as ClickHouse counts: 1 = not even settings
    };

    task<result<std::string>> ask(endpoint at, call c);
    task<result<facts>> look_at(std::optional<endpoint> at, std::chrono::milliseconds deadline);
    task<result<facts>> known(std::chrono::milliseconds deadline);
    void note(const error& e, int code);

    net::client& http_;
    std::function<std::optional<endpoint>()> where_;
    std::optional<facts> facts_;
};

}  // namespace vora::clickhouse
