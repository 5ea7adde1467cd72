// What the front hands to the engine, over a fake one that notes every call.

#include "services/event_engine/handlers/http_front.hpp"

#include "libs/base/async.hpp"
#include "libs/compress/gzip.hpp"

#include <gtest/gtest.h>

#include <mutex>

namespace vora::event_engine {
namespace {

constexpr auto* key = "0123456789abcdef0123456789abcdef";
constexpr auto* reader_key = "fedcba9876543210fedcba9876543210";

struct calls {
    std::mutex mutex;
    std::vector<std::string> queries;
    std::vector<std::string> databases;  // of the queries
    std::vector<std::string> heads;
    std::vector<std::string> rows;
};

// Takes text with "SELECT" for a query and all else for a change, one statement each.
class fake_sql_engine final : public sql_engine {
 public:
    explicit fake_sql_engine(calls& c) : calls_(c) {}

    text_facts look_at(std::string_view sql) override {
        const bool reads = sql.starts_with("SELECT");
        return {1, reads ? text_facts::effect::none : text_facts::effect::changes_data};
    }
    sql_result<answer> query(std::string_view sql, std::string_view format, const parameters&,
                             const statement_settings& s) override {
        const std::scoped_lock lock(calls_.mutex);
        calls_.databases.push_back(s.database);
        calls_.queries.emplace_back(sql);
        return answer{std::string(format), 0};
    }
    sql_result<answer> insert(std::string_view insert_head, std::string_view format,
                              std::string_view rows, const statement_settings& s) override {
        const std::scoped_lock lock(calls_.mutex);
        calls_.heads.push_back(std::string(insert_head) + "|" + std::string(format) + "|" +
                               s.deduplication_token);
        calls_.rows.emplace_back(rows);
        return answer{"", 7};
    }

 private:
    calls& calls_;
};

class engine_front : public ::testing::Test {
 protected:
    engine_front() {
        std::vector<std::unique_ptr<sql_engine>> readers;
        readers.push_back(std::make_unique<fake_sql_engine>(seen));
        front = std::make_unique<http_front>(
            std::make_unique<fake_sql_engine>(seen), std::move(readers),
            accounts({{"", key, false}, {"reader", reader_key, true}}));
        routes = front->routes();
        seen.queries.clear();  // the front has asked for the names of table functions
    }

    net::response ask(const std::string& method, const std::string& body,
                      std::vector<std::pair<std::string, std::string>> query = {},
                      std::vector<std::pair<std::string, std::string>> fields = {}) {
        net::request r;
        r.method = method;
        r.path = "/";
        r.query = std::move(query);
        r.headers.set("X-ClickHouse-Key", key);
        for (const auto& [name, value] : fields) {
            r.headers.set(name, value);
        }
        const auto source = net::body_of(body);
        r.body = source.get();
        return loop.run_until_done(routes.dispatch(r));
    }
    static std::string code(const net::response& r) {
        return std::string(r.headers.get("X-ClickHouse-Exception-Code").value_or(""));
    }

    calls seen;
    event_loop loop;
    std::unique_ptr<http_front> front;
    net::router routes;
};

TEST_F(engine_front, hands_rows_over_beside_the_statement) {
    const std::string rows("{}\n\nDROP TABLE t;\0", 19);
    const auto r = ask(
        "POST", rows,
        {{"query", "INSERT INTO t (a) FORMAT JSONEachRow"}, {"insert_deduplication_token", "s:1"}});
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.headers.get("X-ClickHouse-Summary"), R"({"written_rows":"7"})");
    EXPECT_EQ(ask("POST", "INSERT INTO t (a) FORMAT JSONEachRow\n" + rows).status, 200);
    EXPECT_EQ(seen.heads, (std::vector<std::string>{"INSERT INTO t (a) |JSONEachRow|s:1",
                                                    "INSERT INTO t (a) |JSONEachRow|"}));
    EXPECT_EQ(seen.rows, (std::vector<std::string>{rows, rows}));
    EXPECT_TRUE(seen.queries.empty());
}

TEST_F(engine_front, runs_reads_anywhere_and_changes_only_by_post_without_readonly) {
    EXPECT_EQ(ask("GET", "", {{"query", "SELECT 1"}}).body, "TabSeparated");
    EXPECT_EQ(code(ask("GET", "", {{"query", "DROP TABLE t"}})), "164");
    EXPECT_EQ(code(ask("POST", "DROP TABLE t", {{"readonly", "1"}})), "164");
    EXPECT_EQ(code(ask("GET", "", {{"query", "INSERT INTO t VALUES (1)"}})), "164");
    EXPECT_EQ(seen.queries, std::vector<std::string>{"SELECT 1"});
    EXPECT_EQ(ask("POST", "DROP TABLE t").status, 200);
    EXPECT_TRUE(seen.heads.empty());
}

TEST_F(engine_front, refuses_a_wrong_key_whatever_is_asked) {
    const auto r = ask("POST", "SELECT 1", {}, {{"X-ClickHouse-Key", "0"}});
    EXPECT_EQ(r.status, 403);
    EXPECT_EQ(code(r), "516");
    EXPECT_TRUE(seen.queries.empty());
}

TEST_F(engine_front, takes_bodies_by_gzip_and_no_more_out_of_them_than_without) {
    const std::string rows(100'000, 'x');
    const std::vector<std::pair<std::string, std::string>> insert{
        {"query", "INSERT INTO t (a) FORMAT RowBinary"}};
    const std::vector<std::pair<std::string, std::string>> packed{{"Content-Encoding", "gzip"}};
    EXPECT_EQ(ask("POST", compress::gzip(rows), insert, packed).status, 200);
    EXPECT_EQ(seen.rows, std::vector<std::string>{rows});
    EXPECT_EQ(code(ask("POST", rows, insert, packed)), "354");
    const auto bomb = compress::gzip(std::string((std::size_t{64} << 20) + 1, 'x'));
    EXPECT_EQ(code(ask("POST", bomb, insert, packed)), "307");
    EXPECT_EQ(seen.rows.size(), 1u);
}

TEST_F(engine_front, lets_an_account_that_only_reads_ask_about_tables_and_nothing_else) {
    const std::vector<std::pair<std::string, std::string>> reader{{"X-ClickHouse-User", "reader"},
                                                                  {"X-ClickHouse-Key", reader_key}};
    EXPECT_EQ(ask("POST", "SELECT 1", {{"max_execution_time", "5"}}, reader).status, 200);
    EXPECT_EQ(code(ask("POST", "DROP TABLE t", {}, reader)), "164");
    EXPECT_EQ(code(ask("POST", "x", {{"query", "INSERT INTO t (a) FORMAT CSV"}}, reader)), "164");
    EXPECT_EQ(code(ask("POST", "SELECT file('/etc/passwd')", {}, reader)), "497");
    EXPECT_EQ(code(ask("GET", "", {{"query", "SELECT 1 SETTINGS max_threads = 1"}}, reader)),
              "497");
    EXPECT_EQ(seen.queries, std::vector<std::string>{"SELECT 1"});
    EXPECT_EQ(seen.databases.back(), "system");
    EXPECT_TRUE(seen.heads.empty());
    const auto wrong_name = ask("POST", "SELECT 1", {}, {{"X-ClickHouse-Key", reader_key}});
    EXPECT_EQ(code(wrong_name), "516");
}

TEST_F(engine_front, refuses_data_in_the_wrong_place_and_bodies_it_cannot_read) {
    EXPECT_EQ(code(ask("POST", "x", {{"query", "SELECT 1"}})), "62");
    EXPECT_EQ(code(ask("POST", "x", {{"query", "INSERT INTO t FORMAT CSV\n1"}})), "62");
    EXPECT_EQ(code(ask("POST", "INSERT INTO t")), "62");
    EXPECT_EQ(ask("POST", "SELECT 1", {}, {{"Content-Encoding", "lz4"}}).status, 501);
    EXPECT_EQ(code(ask("POST", "SELECT 1", {{"profile", "x"}})), "115");
    EXPECT_TRUE(seen.queries.empty());
    EXPECT_TRUE(seen.heads.empty());
}

}  // namespace
}  // namespace vora::event_engine
