// The HTTP interface over the real library. Needs libchdb.so: VORA_CHDB_LIBRARY, or where
// `vora event-engine fetch` puts it.

#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/client.hpp"
#include "libs/net/server.hpp"
#include "services/event_engine/adapters/chdb_engine.hpp"
#include "services/event_engine/handlers/http_front.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace vora::event_engine {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto* key = "0123456789abcdef0123456789abcdef";
constexpr auto* reader_key = "fedcba9876543210fedcba9876543210";

std::string library() {
    if (const char* path = std::getenv("VORA_CHDB_LIBRARY")) {
        return path;
    }
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    const auto base = cache != nullptr ? std::string(cache) : std::string(home) + "/.cache";
    std::error_code ec;
    for (const auto& e : fs::directory_iterator(base + "/vora/event-engine", ec)) {
        if (fs::exists(e.path() / "libchdb.so")) {
            return (e.path() / "libchdb.so").string();
        }
    }
    return "there is no libchdb.so: run `vora event-engine fetch`";
}

// One engine for all tests of the program: the library opens one path per process, once.
class engine {
 public:
    static engine& get() {
        static auto* e = new engine;  // its threads have no end
        return *e;
    }

    struct reply {
        int status = 0;
        std::string code;
        std::string body;
    };
    using query_string = std::vector<std::pair<std::string, std::string>>;

    reply ask(const std::string& method, const query_string& query, std::string body = "",
              const std::string& with_key = key) {
        net::client_request r;
        r.method = method;
        r.url = "http://" + server_->address() + "/";
        for (const auto& [name, value] : query) {
            r.url += (r.url.ends_with('/') ? "?" : "&") + name + "=" + percent_encode(value);
        }
        r.headers.set("X-ClickHouse-User", with_key == reader_key ? "reader" : "default");
        r.headers.set("X-ClickHouse-Key", with_key);
        r.body = std::move(body);
        r.deadline = 60s;
        r.body_bytes_max = std::size_t{80} << 20;
        auto answer = loop_.run_until_done(http_.send(std::move(r)));
        if (!answer) {
            return {0, answer.error().reason, ""};
        }
        return {answer->status,
                std::string(answer->headers.get("X-ClickHouse-Exception-Code").value_or("")),
                answer->body};
    }

 private:
    engine() : http_(loop_.executor()) {
        path_ = fs::temp_directory_path() / ("vora-engine-" + random_hex(8));
        auto store = open_store(library(), path_.string());
        if (!store) {
            ADD_FAILURE() << store.error().detail;
            std::abort();
        }
        std::vector<std::unique_ptr<sql_engine>> readers;
        auto writer = connect(*store);
        readers.push_back(std::move(*connect(*store)));
        readers.push_back(std::move(*connect(*store)));
        front_ = std::make_unique<http_front>(
            std::move(*writer), std::move(readers),
            accounts({{"", key, false}, {"reader", reader_key, true}}));
        net::server_options o;
        o.name = "event_engine";
        server_ = std::make_unique<net::server>(loop_.executor(), o, front_->routes(),
                                                obs::logger(), metrics_);
        if (!server_->start()) {
            std::abort();
        }
        std::atexit([] {
            std::error_code ec;
            fs::remove_all(get().path_, ec);
        });
    }

    fs::path path_;
    obs::metrics metrics_;
    event_loop loop_;
    net::client http_;
    std::unique_ptr<http_front> front_;
    std::unique_ptr<net::server> server_;
};

class engine_front_chdb : public ::testing::Test {
 protected:
    using query_string = engine::query_string;

    void SetUp() override {
        ASSERT_EQ(post("CREATE DATABASE IF NOT EXISTS v").status, 200);
        ASSERT_EQ(post("DROP TABLE IF EXISTS v.t SYNC").status, 200);
        const auto made = post(
            "CREATE TABLE v.t (a String, b Int64) ENGINE = MergeTree ORDER BY b "
            "SETTINGS non_replicated_deduplication_window = 100");
        ASSERT_EQ(made.status, 200) << made.body;
    }
    static engine::reply post(const std::string& sql, const query_string& more = {}) {
        return engine::get().ask("POST", more, sql);
    }
    static engine::reply insert(const std::string& sql, const std::string& rows,
                                query_string more = {}) {
        more.emplace_back("query", sql);
        return engine::get().ask("POST", more, rows);
    }
    static std::string count() { return post("SELECT count() FROM v.t").body; }
    static std::string row(const std::string& a, std::int64_t b) {
        std::string out(1, static_cast<char>(a.size()));
        out += a;
        out.append(reinterpret_cast<const char*>(&b), sizeof b);
        return out;
    }
};

TEST_F(engine_front_chdb, answers_a_query_in_the_url_or_in_the_body) {
    EXPECT_EQ(engine::get().ask("GET", {{"query", "SELECT 1"}}).body, "1\n");
    EXPECT_EQ(post("SELECT 2 FORMAT CSV").body, "2\n");
    EXPECT_NE(post("SELECT 3", {{"default_format", "JSON"}}).body.find("\"data\""),
              std::string::npos);
}

TEST_F(engine_front_chdb, refuses_every_request_without_the_key) {
    const auto r = engine::get().ask("POST", {}, "SELECT 1", "wrong");
    EXPECT_EQ(r.status, 403);
    EXPECT_EQ(r.code, "516");
    EXPECT_EQ(engine::get().ask("POST", {{"password", key}}, "SELECT 1", "").status, 403);
}

TEST_F(engine_front_chdb, binds_parameters_and_never_reads_them_as_text) {
    const auto r = post("SELECT {a:String}, {n:UInt64} + 1",
                        {{"param_a", "'; DROP TABLE v.t; --\\n"}, {"param_n", "41"}});
    EXPECT_EQ(r.body, "\\'; DROP TABLE v.t; --\\n\t42\n");
    EXPECT_EQ(post("SELECT {n:UInt64}", {{"param_n", "1; DROP"}}).code, "457");
    EXPECT_EQ(count(), "0\n");
}

TEST_F(engine_front_chdb, stores_bytes_that_would_end_a_statement) {
    std::string rows;
    for (int i = 0; i < 3; ++i) {
        rows += row("\n\nDROP TABLE v.t;", 0x0a0a0a0a0a0a0a0a);
    }
    const auto r = insert("INSERT INTO v.t (a, b) FORMAT RowBinary", rows);
    EXPECT_EQ(r.status, 200) << r.body;
    EXPECT_EQ(post("SELECT count(), uniqExact(a), any(b) FROM v.t").body,
              "3\t1\t723401728380766730\n");
}

TEST_F(engine_front_chdb, takes_sql_behind_json_for_bad_json_and_stores_nothing) {
    const std::string hostile = "{\"a\":\"x\",\"b\":1}\n\nDROP TABLE v.t";
    const auto in_url = insert("INSERT INTO v.t (a, b) FORMAT JSONEachRow", hostile);
    EXPECT_EQ(in_url.status, 400);
    EXPECT_EQ(in_url.code, "27");
    EXPECT_EQ(post("INSERT INTO v.t (a, b) FORMAT JSONEachRow\n" + hostile).code, "27");
    EXPECT_EQ(count(), "0\n");
}

TEST_F(engine_front_chdb, runs_no_second_statement) {
    for (const auto* sql :
         {"SELECT 1; DROP TABLE v.t", "SELECT 1\n\nDROP TABLE v.t", "DROP TABLE v.t; SELECT 1",
          "INSERT INTO v.t (a, b) VALUES ('x', 1); DROP TABLE v.t",
          "INSERT INTO v.t (a, b); DROP TABLE v.t", "SELECT 1 PARALLEL WITH DROP TABLE v.t",
          "WITH 1 AS x INSERT INTO v.t FORMAT JSONEachRow {}\n\nDROP TABLE v.t",
          "\xEF\xBB\xBFINSERT INTO v.t FORMAT JSONEachRow {}\n\nDROP TABLE v.t",
          "\xC2\xA0INSERT INTO v.t FORMAT JSONEachRow {}\n\nDROP TABLE v.t",
          "INSERT INTO v.t SETTINGS log_comment = $$ FORMAT CSV $$ FORMAT CSV\n\nDROP TABLE v.t",
          "EXPLAIN INSERT INTO v.t FORMAT JSONEachRow {}\n\nDROP TABLE v.t", ";", ""}) {
        post(sql);
        EXPECT_EQ(post("EXISTS TABLE v.t").body, "1\n") << sql;
    }
    EXPECT_EQ(post("SELECT 1; DROP TABLE v.t").code, "62");
    EXPECT_EQ(post("SELECT 1;").body, "1\n");
}

TEST_F(engine_front_chdb, does_not_serve_what_reaches_beyond_tables) {
    for (const auto* sql : {"SET max_threads = 1", "USE v", "SYSTEM FLUSH LOGS",
                            "SELECT 1 INTO OUTFILE '/tmp/vora-never'", "CREATE USER u"}) {
        EXPECT_EQ(post(sql).code, "497") << sql;
    }
    EXPECT_NE(
        insert("INSERT INTO FUNCTION file('/tmp/vora-never', 'CSV', 'a String') FORMAT CSV", "1\n")
            .status,
        200);
    EXPECT_NE(post("INSERT INTO v.t FROM INFILE '/etc/passwd' FORMAT CSV").status, 200);
    EXPECT_FALSE(fs::exists("/tmp/vora-never"));
}

TEST_F(engine_front_chdb, changes_nothing_when_it_may_only_read) {
    EXPECT_EQ(post("DROP TABLE v.t", {{"readonly", "1"}}).code, "164");
    EXPECT_EQ(engine::get().ask("GET", {{"query", "DROP TABLE v.t"}}).code, "164");
    EXPECT_EQ(insert("INSERT INTO v.t (a, b) FORMAT CSV", "x,1\n", {{"readonly", "2"}}).code,
              "164");
    EXPECT_EQ(count(), "0\n");
}

TEST_F(engine_front_chdb, an_account_that_only_reads_sees_tables_and_no_files) {
    insert("INSERT INTO v.t (a, b) FORMAT CSV", "x,1\n");
    const auto read = [](const std::string& sql) {
        return engine::get().ask("POST", {{"max_execution_time", "5"}}, sql, reader_key);
    };
    EXPECT_EQ(read("SELECT a, b FROM v.t").body, "x\t1\n");
    EXPECT_EQ(read("SELECT name FROM system.settings WHERE name = 'readonly'").body, "readonly\n");
    for (const auto* sql :
         {"SELECT * FROM file('/etc/hostname', 'LineAsString')", "SELECT file('/etc/hostname')",
          "SELECT * FROM '/etc/hostname'", "SELECT * FROM `/etc/hostname`",
          "SELECT * FROM default.`/etc/hostname`", "SELECT * FROM \"default\".\"/etc/hostname\"",
          "SELECT * FROM url('http://127.0.0.1:1/', 'CSV')", "SELECT * FROM v.t SETTINGS x = 1",
          "INSERT INTO v.t (a, b) VALUES ('y', 2)", "DROP TABLE v.t", "CREATE DATABASE w"}) {
        EXPECT_NE(read(sql).status, 200) << sql;
    }
    EXPECT_EQ(count(), "1\n");
}

TEST_F(engine_front_chdb, stores_a_token_once) {
    const std::string sql = "INSERT INTO v.t (a, b) FORMAT RowBinary";
    EXPECT_EQ(insert(sql, row("x", 1), {{"insert_deduplication_token", "s:1"}}).status, 200);
    EXPECT_EQ(insert(sql, row("y", 2), {{"insert_deduplication_token", "s:1"}}).status, 200);
    EXPECT_EQ(count(), "1\n");
    EXPECT_EQ(insert(sql, row("x", 1), {{"insert_deduplication_token", "s:2"}}).status, 200);
    EXPECT_EQ(count(), "2\n");
}

TEST_F(engine_front_chdb, stores_nothing_of_rows_that_are_cut_off) {
    const auto rows = row("x", 1) + row("y", 2);
    const auto r =
        insert("INSERT INTO v.t (a, b) FORMAT RowBinary", rows.substr(0, rows.size() - 3));
    EXPECT_EQ(r.code, "33");
    EXPECT_EQ(r.status, 400);
    EXPECT_EQ(count(), "0\n");
}

TEST_F(engine_front_chdb, ends_a_statement_that_takes_too_long_or_gives_too_much) {
    const auto slow = post("SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_block_size = 1",
                           {{"max_execution_time", "1"}});
    EXPECT_EQ(slow.code, "159") << slow.body;
    EXPECT_EQ(post("SELECT number FROM numbers(100000000)").code, "396");
}

TEST_F(engine_front_chdb, tells_clickhouses_codes_with_its_status) {
    const auto missing = post("SELECT * FROM v.nothing");
    EXPECT_EQ(missing.code, "60");
    EXPECT_EQ(missing.status, 404);
    EXPECT_EQ(post("SELECT 1", {{"max_memory_usage", "1"}}).code, "115");
    EXPECT_EQ(insert("INSERT INTO v.t FORMAT Nonsense", "x").code, "73");
}

TEST_F(engine_front_chdb, keeps_no_setting_for_the_next_statement) {
    const auto sql = "SELECT getSetting('max_threads'), currentDatabase()";
    EXPECT_EQ(post(sql, {{"max_threads", "1"}, {"database", "v"}}).body, "1\tv\n");
    EXPECT_EQ(post(sql, {{"max_threads", "1"}, {"database", "v"}}).body, "1\tv\n");
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(post(sql).body, "2\tdefault\n");
    }
}

}  // namespace
}  // namespace vora::event_engine

// The library's threads outlive main: no destructors of it may run under them.
int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    const int code = RUN_ALL_TESTS();
    std::fflush(nullptr);
    std::quick_exit(code);
}
