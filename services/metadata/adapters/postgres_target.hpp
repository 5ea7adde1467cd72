#pragma once
// Where the database is, and getting there within a limit. libpq's own connect_timeout has whole
// seconds, two at least, for each host; a request has less. Private to the adapter; blocking.

#include "libs/base/result.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct pg_conn;

namespace vora::metadata {

using deadline_point = std::chrono::steady_clock::time_point;

// libpq's parameters, one set for each host of the URL. Holds the password: never shown whole.
struct postgres_target {
    std::vector<std::map<std::string, std::string>> hosts;
};

// "postgresql://USER:PASSWORD@HOST:PORT/DB?...": all that libpq takes in a URL, several hosts with
// target_session_attrs too. invalid_argument ("bad_database_url"), whose text quotes nothing of the
// URL, since there may be a password in it.
result<postgres_target> parse_postgres_url(const std::string& url);

// Sets a parameter of the server ("-c NAME=VALUE") for every connection to come.
void add_setting(postgres_target& target, const std::string& name, const std::string& value);

struct postgres_closer {
    void operator()(pg_conn* c) const noexcept;
};
using postgres_handle = std::unique_ptr<pg_conn, postgres_closer>;

struct postgres_away : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Throws postgres_away, with libpq's words (host, database and user, no password).
postgres_handle connect(const std::map<std::string, std::string>& host, deadline_point deadline);

}  // namespace vora::metadata
