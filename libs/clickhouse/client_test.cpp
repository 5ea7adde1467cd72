#include "libs/clickhouse/client.hpp"

#include "libs/base/async.hpp"
#include "libs/clickhouse/errors.hpp"
#include "libs/net/client.hpp"
#include "libs/net/server_fixture.hpp"

#include <gtest/gtest.h>

#include <mutex>

namespace vora::clickhouse {
namespace {

using namespace std::chrono_literals;

// Answers everything with one prepared answer and keeps what it was asked.
class fake_server {
 public:
    fake_server()
        : http_([this](net::router& routes) {
              routes.add("POST", "/", [this](net::request& r) { return answer(r); });
          }) {}

    struct seen {
        std::vector<std::pair<std::string, std::string>> query;
        std::string body;
        std::string user;
        std::string key;
        std::string encoding;

        std::string value(std::string_view name) const {
            for (const auto& [k, v] : query) {
                if (k == name) {
                    return v;
                }
            }
            return "(absent)";
        }
    };

    void answers(int status, std::string body, std::string code = "") {
        const std::scoped_lock lock(mutex_);
        status_ = status;
        body_ = std::move(body);
        code_ = std::move(code);
    }
    seen last() {
        const std::scoped_lock lock(mutex_);
        return last_;
    }
    // What it says of itself, and how often it was asked.
    void is(std::string facts) {
        const std::scoped_lock lock(mutex_);
        facts_ = std::move(facts);
    }
    int looks() {
        const std::scoped_lock lock(mutex_);
        return looks_;
    }
    std::size_t looked_with() {
        const std::scoped_lock lock(mutex_);
        return looked_with_;
    }
    std::string url() const { return "http://" + http_.address(); }

 private:
    task<net::response> answer(net::request& r) {
        auto body = co_await net::read_all(*r.body, 1 << 20);
        const std::scoped_lock lock(mutex_);
        if (body && body->starts_with("SELECT version()")) {
            ++looks_;
            looked_with_ = r.query.size();
            co_return net::response::text(200, facts_);
        }
        last_ = {r.query, body ? *body : "(unreadable)",
                 std::string(r.headers.get("X-ClickHouse-User").value_or("(absent)")),
                 std::string(r.headers.get("X-ClickHouse-Key").value_or("(absent)")),
                 std::string(r.headers.get("Content-Encoding").value_or("(absent)"))};
        auto out = net::response::text(status_, body_);
        if (!code_.empty()) {
            out.headers.set("X-ClickHouse-Exception-Code", code_);
        }
        co_return out;
    }

    std::mutex mutex_;
    int status_ = 200;
    std::string body_;
    std::string code_;
    seen last_;
    std::string facts_ =
        "26.7.2.1\t['async_insert=1','insert_deduplication_token=','readonly=0']\n";
    int looks_ = 0;
    std::size_t looked_with_ = 0;
    net::running_server http_;  // last: its thread uses all above
};

class clickhouse_client : public ::testing::Test {
 protected:
    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    error failure(int status, const std::string& body, const std::string& code) {
        server.answers(status, body, code);
        auto r = run(events.insert({"t (a)", "RowBinary", "x", "token", 10s}));
        return r ? error{errc::internal, "it succeeded", ""} : r.error();
    }

    fake_server server;
    event_loop loop;
    net::client http{loop.executor()};
    std::optional<endpoint> where = endpoint{server.url(), "writer", "secret", "vora"};
    client events{http, [this] { return where; }};
};

TEST_F(clickhouse_client, inserts_bytes_as_they_are_with_a_token_and_no_batching_by_the_server) {
    const std::string rows("\n\nDROP TABLE t;\0\xff", 17);
    auto r = run(events.insert({"vora.t (a, b)", "RowBinary", rows, "spool:1:42", 10s}));
    ASSERT_TRUE(r) << r.error().detail;
    const auto seen = server.last();
    EXPECT_EQ(seen.encoding, "(absent)");
    EXPECT_EQ(seen.body, rows);
    EXPECT_EQ(seen.value("query"), "INSERT INTO vora.t (a, b) FORMAT RowBinary");
    EXPECT_EQ(seen.value("insert_deduplication_token"), "spool:1:42");
    EXPECT_EQ(seen.value("async_insert"), "0");
    EXPECT_EQ(seen.user, "writer");
    EXPECT_EQ(seen.key, "secret");
}

TEST_F(clickhouse_client, says_how_rows_are_packed) {
    insert_request r{"t (a)", "RowBinary", "packed", "token", 10s};
    r.encoding = "gzip";
    ASSERT_TRUE(run(events.insert(std::move(r))));
    EXPECT_EQ(server.last().encoding, "gzip");
    EXPECT_EQ(server.last().body, "packed");
}

TEST_F(clickhouse_client, sends_query_values_as_parameters_and_never_in_the_text) {
    server.answers(200, "1\n");
    const std::string sql = "SELECT {a:String} FORMAT TabSeparated";
    auto r = run(events.query(sql, {{"a", "'; DROP\t\n\\N &x=1"}}, 1500ms));
    ASSERT_TRUE(r) << r.error().detail;
    EXPECT_EQ(*r, "1\n");
    const auto seen = server.last();
    EXPECT_EQ(seen.body, sql);
    EXPECT_EQ(seen.value("param_a"), "'; DROP\\t\\n\\\\N &x=1");
    EXPECT_EQ(seen.value("readonly"), "1");
    EXPECT_EQ(seen.value("max_execution_time"), "2");
}

TEST_F(clickhouse_client, tells_the_version_without_its_line_end) {
    auto r = run(events.version(10s));
    ASSERT_TRUE(r);
    EXPECT_EQ(*r, "26.7.2.1");
}

TEST_F(clickhouse_client, leaves_out_what_an_old_server_lacks) {
    server.is("18.16.1\t['readonly=0']\n");
    ASSERT_TRUE(run(events.insert({"t (a)", "RowBinary", "x", "token", 10s})));
    EXPECT_EQ(server.last().value("async_insert"), "(absent)");
    EXPECT_EQ(server.last().value("insert_deduplication_token"), "(absent)");
    EXPECT_EQ(server.last().value("query"), "INSERT INTO t (a) FORMAT RowBinary");
    EXPECT_EQ(server.looked_with(), 0u) << "the question itself sets nothing";
}

TEST_F(clickhouse_client, sets_nothing_that_a_user_who_only_reads_may_not_change) {
    server.is("26.7.2.1\t['async_insert=1','readonly=1']\n");
    ASSERT_TRUE(run(events.query("SELECT 1", {{"a", "b"}}, 10s)));
    EXPECT_EQ(server.last().value("readonly"), "(absent)");
    EXPECT_EQ(server.last().value("max_execution_time"), "(absent)");
    EXPECT_EQ(server.last().value("param_a"), "b");
    EXPECT_EQ(server.last().value("wait_end_of_query"), "1") << "is no setting";
    server.is("26.7.2.1\t['async_insert=1','readonly=2']\n");
    ASSERT_TRUE(run(events.version(10s)));
    ASSERT_TRUE(run(events.query("SELECT 1", {}, 10s)));
    EXPECT_EQ(server.last().value("readonly"), "(absent)");
    EXPECT_EQ(server.last().value("max_execution_time"), "10");
}

TEST_F(clickhouse_client, asks_for_the_version_once_until_the_server_may_be_another) {
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(run(events.insert({"t (a)", "RowBinary", "x", "token", 10s})));
    }
    EXPECT_EQ(server.looks(), 1);
    where->user = "another";
    ASSERT_TRUE(run(events.execute("CREATE TABLE x", 10s)));
    EXPECT_EQ(server.looks(), 2);
    // Too much at once says nothing about who answers; an unknown setting does.
    failure(500, "Code: 202", "202");
    EXPECT_EQ(server.looks(), 2);
    for (const auto* code : {"115", "164", "516", "1001"}) {
        const int before = server.looks();
        failure(500, "Code: x", code);
        failure(500, "Code: 202", "202");
        EXPECT_EQ(server.looks(), before + 1) << code;
    }
}

TEST_F(clickhouse_client, works_in_the_database_of_the_url) {
    where->database = "other";
    ASSERT_TRUE(run(events.create_database(10s)));
    EXPECT_EQ(server.last().body, "CREATE DATABASE IF NOT EXISTS other");
    EXPECT_EQ(server.last().value("database"), "(absent)") << "it may not be there yet";
    ASSERT_TRUE(run(events.execute("CREATE TABLE x", 10s)));
    EXPECT_EQ(server.last().value("database"), "other");
    ASSERT_TRUE(run(events.query("SELECT 1", {}, 10s)));
    EXPECT_EQ(server.last().value("database"), "other");
    ASSERT_TRUE(run(events.insert({"t (a)", "RowBinary", "x", "token", 10s})));
    EXPECT_EQ(server.last().value("database"), "other");
}

std::string read_url(std::string_view text) {
    const auto e = parse_endpoint(text);
    return e ? e->url + " " + e->user + " " + e->password + " " + e->database : e.error().reason;
}

TEST(clickhouse_endpoint, takes_everything_out_of_the_url) {
    EXPECT_EQ(read_url("http://h"), "http://h:8123 default  vora");
    EXPECT_EQ(read_url("https://u:p%40%2F@h/db_2/"), "https://h:8443 u p@/ db_2");
    EXPECT_EQ(read_url("https://u@h:1/d"), "https://h:1 u  d");
    EXPECT_EQ(read_url("clickhouse://u:p@[::1]:2/d"), "http://[::1]:2 u p d");
    for (const auto* text : {"http://h/a/b", "http://h/a-b", "http://h/1a", "http://h/a?x=1", "h:1",
                             "http://:p@h", "ftp://h", "http://h/a%20b", "http://", "http:///d"}) {
        EXPECT_EQ(read_url(text), "bad_config_value") << text;
    }
}

TEST(clickhouse_endpoint, a_password_is_in_no_error) {
    EXPECT_EQ(parse_endpoint("https://u:secret@h/a-b").error().detail.find("secret"),
              std::string::npos);
}

TEST(clickhouse_endpoint, https_needs_authorities_and_http_none) {
    endpoint e;
    e.url = "http://h:1";
    const auto plain = security_for(e, "/nowhere.pem");
    EXPECT_TRUE(plain && *plain == nullptr);
    e.url = "https://h:1";
    EXPECT_FALSE(security_for(e, "/nowhere.pem"));
    const auto system = security_for(e, "");
    EXPECT_TRUE(system && *system != nullptr);
}

TEST_F(clickhouse_client, executes_a_statement_without_the_settings_of_a_query) {
    ASSERT_TRUE(run(events.execute("CREATE DATABASE x", 1s)));
    EXPECT_EQ(server.last().body, "CREATE DATABASE x");
    EXPECT_EQ(server.last().value("readonly"), "(absent)");
}

TEST_F(clickhouse_client, sends_no_key_where_there_is_none) {
    where->password.clear();
    ASSERT_TRUE(run(events.execute("CREATE DATABASE x", 1s)));
    EXPECT_EQ(server.last().key, "(absent)");
}

TEST_F(clickhouse_client, is_unavailable_at_once_while_there_is_no_engine) {
    where.reset();
    auto r = run(events.query("SELECT 1", {}, 1s));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::unavailable);
    EXPECT_EQ(r.error().reason, "clickhouse_unavailable");
}

TEST_F(clickhouse_client, is_unavailable_when_nobody_listens_or_the_key_cannot_be_sent) {
    where = endpoint{"http://127.0.0.1:1", "u", "p", "d"};
    auto r = run(events.execute("SELECT 1", 1s));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::unavailable);
    where = endpoint{server.url(), "u", "a\r\nb", "d"};
    r = run(events.execute("SELECT 1", 1s));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::unavailable);
}

TEST_F(clickhouse_client, keeps_rows_when_memory_disk_or_parts_run_out) {
    for (const auto* code : {"241", "243", "202"}) {
        const auto e = failure(500, "Code: DB::Exception: too much\nmore", code);
        EXPECT_EQ(e.code, errc::resource_exhausted) << code;
        EXPECT_EQ(e.reason, "clickhouse_overloaded");
    }
    EXPECT_EQ(failure(500, "Code: 252. Too many parts (300)", "252").code,
              errc::resource_exhausted);
}

TEST_F(clickhouse_client, rejects_bytes_that_will_never_be_taken) {
    for (const auto* code : {"26", "27", "33", "53", "117", "469"}) {
        EXPECT_EQ(failure(400, "Code: x", code).reason, "clickhouse_rejected") << code;
    }
    const auto e = failure(
        500, "Code: 252. Too many partitions for single INSERT block (more than 100)", "252");
    EXPECT_EQ(e.code, errc::invalid_argument);
}

TEST_F(clickhouse_client, keeps_rows_at_every_error_it_does_not_know) {
    for (const auto* code : {"60", "81", "16", "62", "115", "49", "1001", "4711", "no number"}) {
        const auto e = failure(500, "Code: x", code);
        EXPECT_EQ(e.code, errc::unavailable) << code;
        EXPECT_EQ(e.reason, "clickhouse_unavailable");
    }
    EXPECT_EQ(failure(502, "", "").code, errc::unavailable);
    EXPECT_EQ(failure(404, "not here", "").code, errc::unavailable);
}

TEST_F(clickhouse_client, tells_a_wrong_key_from_a_wrong_statement) {
    EXPECT_EQ(failure(403, "Code: 516", "516").reason, "clickhouse_denied");
    EXPECT_EQ(failure(401, "", "").reason, "clickhouse_denied");
    EXPECT_EQ(failure(500, "Code: 159", "159").reason, "clickhouse_slow");
}

TEST_F(clickhouse_client, rejects_a_statement_the_server_does_not_understand) {
    server.answers(400, "Code: 62. DB::Exception: Syntax error", "62");
    auto r = run(events.execute("SELEC 1", 1s));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "clickhouse_rejected");
}

TEST_F(clickhouse_client, reads_the_code_in_the_text_of_a_server_that_has_no_header_for_it) {
    EXPECT_EQ(failure(500, "Code: 33, e.displayText() = Cannot read all data", "").reason,
              "clickhouse_rejected");
    EXPECT_EQ(failure(500, "Code: 241. DB::Exception", "").reason, "clickhouse_overloaded");
    EXPECT_EQ(failure(500, "Code: many", "").reason, "clickhouse_unavailable");
    EXPECT_TRUE(failure(200, "Code: 33, is what was asked for", "").reason == "it succeeded");
}

TEST_F(clickhouse_client, sees_a_failure_behind_a_status_of_success) {
    EXPECT_EQ(failure(200, "1\nCode: 159. DB::Exception", "159").reason, "clickhouse_slow");
}

TEST_F(clickhouse_client, keeps_the_first_line_of_the_message_for_the_log) {
    const auto e = failure(400, "Code: 62. DB::Exception: Syntax error\nsecond", "62");
    EXPECT_EQ(e.detail, "code 62: Code: 62. DB::Exception: Syntax error");
}

}  // namespace
}  // namespace vora::clickhouse
