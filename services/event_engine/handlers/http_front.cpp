#include "services/event_engine/handlers/http_front.hpp"

#include "libs/base/encoding.hpp"
#include "libs/compress/gzip.hpp"
#include "services/event_engine/core/http_status.hpp"
#include "services/event_engine/core/insert_text.hpp"
#include "services/event_engine/core/reader_rules.hpp"
#include "services/event_engine/core/request_settings.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

namespace vora::event_engine {

namespace {

constexpr std::size_t body_bytes_max = std::size_t{64} << 20;
constexpr std::size_t statement_bytes_max = std::size_t{256} << 10;
constexpr int waiting_max = 32;

net::response refusal(const sql_error& e) {
    auto r = net::response::text(http_status(e.code), e.message + "\n");
    r.headers.set("X-ClickHouse-Exception-Code", std::to_string(e.code));
    return r;
}

std::unexpected<sql_error> refuse(int code, const std::string& text) {
    return std::unexpected(
        sql_error{code, "Code: " + std::to_string(code) + ". DB::Exception: " + text});
}

struct login {
    std::string name;
    std::string key;
};

login login_of(const net::request& r) {
    if (const auto key = r.headers.get("X-ClickHouse-Key")) {
        return {std::string(r.headers.get("X-ClickHouse-User").value_or("default")),
                std::string(*key)};
    }
    constexpr std::string_view basic = "Basic ";
    const auto sent = r.headers.get("Authorization");
    if (!sent || !sent->starts_with(basic)) {
        return {};
    }
    const auto text = base64_decode(sent->substr(basic.size()));
    const auto colon = text ? text->find(':') : std::string::npos;
    return colon == std::string::npos ? login{}
                                      : login{text->substr(0, colon), text->substr(colon + 1)};
}

// By the engine's own list; without it nobody who only reads is served.
std::optional<reader_rules> rules_for_readers(sql_engine& engine) {
    const auto names = engine.query("SELECT lower(name) FROM system.table_functions",
                                    "TabSeparated", {}, statement_settings{});
    if (!names || names->bytes.empty()) {
        return std::nullopt;
    }
    std::set<std::string> all;
    std::string_view rest = names->bytes;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        all.emplace(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return reader_rules(std::move(all));
}

// A request as one piece of work. Everything in it outlives the work.
struct job {
    request_settings asked;
    std::string body;
    std::string format = "TabSeparated";
    bool may_change = false;
};

// The statement: from the URL or, where that has none, the body.
std::string_view statement_of(const job& j) {
    return j.asked.query.empty() ? std::string_view(j.body) : std::string_view(j.asked.query);
}

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n;") == std::string_view::npos;
}

sql_result<answer> run_insert(sql_engine& engine, const job& j, const insert_text& insert) {
    const bool in_url = !j.asked.query.empty();
    if (insert.refused || (in_url && !is_blank(insert.data))) {
        return refuse(62, "Data belongs behind the statement, in the body (SYNTAX_ERROR)");
    }
    if (insert.format.empty() && !in_url) {
        return refuse(62, "INSERT without a format (SYNTAX_ERROR)");
    }
    const auto& format = insert.format.empty() ? "Values" : insert.format;
    if (!is_plain_name(format)) {
        return refuse(73, "Unknown format (UNKNOWN_FORMAT)");
    }
    const auto facts = engine.look_at(insert.head + " FORMAT " + format);
    if (facts.statements != 1 || facts.effect != text_facts::effect::changes_data) {
        return refuse(62, "Not one INSERT into a table (SYNTAX_ERROR)");
    }
    return engine.insert(insert.head, format, in_url ? std::string_view(j.body) : insert.data,
                         j.asked.settings);
}

sql_result<answer> run_statement(sql_engine& engine, const job& j, bool is_insert) {
    std::string_view sql = statement_of(j);
    if (!j.asked.query.empty() && !is_blank(j.body)) {
        return refuse(62, "The body holds data, the statement takes none (SYNTAX_ERROR)");
    }
    const auto facts = engine.look_at(sql);
    if (facts.statements != 1) {
        return refuse(62, "Not exactly one statement (SYNTAX_ERROR)");
    }
    if (facts.effect == text_facts::effect::other) {
        return refuse(497, "This kind of statement is not served here (ACCESS_DENIED)");
    }
    if (is_insert && facts.effect != text_facts::effect::changes_data) {
        return refuse(62, "Not an INSERT (SYNTAX_ERROR)");
    }
    return engine.query(sql, j.format, j.asked.values, j.asked.settings);
}

}  // namespace

struct http_front::state {
    state(std::unique_ptr<sql_engine> w, std::vector<std::unique_ptr<sql_engine>> r, accounts a)
        : writer(std::move(w)),
          readers(std::move(r)),
          who(std::move(a)),
          rules(who.has_reader() ? rules_for_readers(*writer) : std::nullopt),
          write_thread(1),
          read_threads(readers.size()) {
        for (auto& reader : readers) {
            free_readers.push_back(reader.get());
        }
    }

    const account* asking(const net::request& r) const;
    task<std::optional<net::response>> check_key(const net::request& r);
    sql_result<void> check_reader(const job& j) const;
    task<net::response> serve(net::request& r, bool may_change);
    task<sql_result<answer>> run(std::shared_ptr<job> j);
    sql_result<answer> read(const job& j);

    std::unique_ptr<sql_engine> writer;
    std::vector<std::unique_ptr<sql_engine>> readers;
    accounts who;
    std::optional<reader_rules> rules;
    blocking_pool write_thread;
    blocking_pool read_threads;
    std::mutex mutex;
    std::vector<sql_engine*> free_readers;  // as many as there are threads: never empty when asked
    int waiting = 0;
};

const account* http_front::state::asking(const net::request& r) const {
    const auto l = login_of(r);
    return who.find(l.name, l.key);
}

task<std::optional<net::response>> http_front::state::check_key(const net::request& r) {
    if (asking(r) != nullptr) {
        co_return std::nullopt;
    }
    co_return refusal(
        {516, "Code: 516. DB::Exception: Authentication failed (AUTHENTICATION_FAILED)"});
}

sql_result<void> http_front::state::check_reader(const job& j) const {
    if (!rules) {
        return refuse(497, "Nobody who only reads is served now (ACCESS_DENIED)");
    }
    return rules->check(statement_of(j));
}

task<net::response> http_front::state::serve(net::request& r, bool may_change) {
    const auto* account = asking(r);
    auto asked = read_settings(r.query);
    if (!asked) {
        co_return refusal(asked.error());
    }
    const auto encoding = r.headers.get("Content-Encoding").value_or("identity");
    const bool is_packed = encoding == "gzip";
    if (!is_packed && encoding != "identity") {
        co_return refusal({48,
                           "Code: 48. DB::Exception: Bodies are taken as they are, or by gzip "
                           "(NOT_IMPLEMENTED)"});
    }
    auto j = std::make_shared<job>();
    j->asked = std::move(*asked);
    const bool only_reads = account == nullptr || account->only_reads;
    j->may_change = may_change && !j->asked.read_only && !only_reads;
    if (!j->asked.default_format.empty()) {
        j->format = j->asked.default_format;
    } else if (const auto named = r.headers.get("X-ClickHouse-Format");
               named && is_plain_name(*named)) {
        j->format = std::string(*named);
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return refusal({307, "Code: 307. DB::Exception: " + body.error().reason});
    }
    if (is_packed) {
        auto whole = co_await read_threads.run(
            [packed = std::move(*body)] { return compress::gunzip(packed, body_bytes_max); });
        if (!whole) {
            const int code = whole.error().code == errc::resource_exhausted ? 307 : 354;
            co_return refusal({code, "Code: " + std::to_string(code) +
                                         ". DB::Exception: " + whole.error().reason});
        }
        body = std::move(whole);
    }
    j->body = std::move(*body);
    if (only_reads) {
        if (auto ok = check_reader(*j); !ok) {
            co_return refusal(ok.error());
        }
        // The engine's own default is the file system.
        if (j->asked.settings.database == statement_settings{}.database) {
            j->asked.settings.database = reader_database;
        }
    }
    auto done = co_await run(j);
    if (!done) {
        co_return refusal(done.error());
    }
    auto out = net::response::text(200, std::move(done->bytes));
    out.headers.set("X-ClickHouse-Format", j->format);
    out.headers.set("X-ClickHouse-Timezone", "UTC");
    out.headers.set("X-ClickHouse-Summary",
                    R"({"written_rows":")" + std::to_string(done->rows_written) + "\"}");
    co_return out;
}

// Which thread, by what the text is; what it may do is judged there, by the engine's parser.
task<sql_result<answer>> http_front::state::run(std::shared_ptr<job> j) {
    if (waiting >= waiting_max) {
        co_return refuse(202, "Too many statements at once (TOO_MANY_SIMULTANEOUS_QUERIES)");
    }
    ++waiting;
    struct leave {
        int& n;
        ~leave() { --n; }
    } leaving{waiting};

    const auto insert = take_apart(statement_of(*j));
    if (!insert && statement_of(*j).size() > statement_bytes_max) {
        co_return refuse(62, "The statement is too long (SYNTAX_ERROR)");
    }
    if (insert && !j->may_change) {
        co_return refuse(164, "Cannot change data in readonly mode (READONLY)");
    }
    if (insert) {
        auto r = co_await write_thread.run([this, j, insert] {
            return insert->selects ? run_statement(*writer, *j, true)
                                   : run_insert(*writer, *j, *insert);
        });
        co_return r;
    }
    auto r = co_await read_threads.run([this, j] { return read(*j); });
    // Not a query: it belongs to the writer.
    if (!r && r.error().code == 164 && j->may_change) {
        auto w = co_await write_thread.run([this, j] { return run_statement(*writer, *j, false); });
        co_return w;
    }
    co_return r;
}

sql_result<answer> http_front::state::read(const job& j) {
    sql_engine* engine = nullptr;
    {
        const std::scoped_lock lock(mutex);
        engine = free_readers.back();
        free_readers.pop_back();
    }
    sql_result<answer> out;
    const auto facts = engine->look_at(statement_of(j));
    if (facts.statements == 1 && facts.effect == text_facts::effect::changes_data) {
        out = refuse(164, "Cannot change data in readonly mode (READONLY)");
    } else {
        out = run_statement(*engine, j, false);
    }
    const std::scoped_lock lock(mutex);
    free_readers.push_back(engine);
    return out;
}

http_front::http_front(std::unique_ptr<sql_engine> writer,
                       std::vector<std::unique_ptr<sql_engine>> readers, accounts who)
    : state_(std::make_unique<state>(std::move(writer), std::move(readers), std::move(who))) {}

http_front::~http_front() = default;

net::router http_front::routes() {
    net::router routes;
    routes.before([s = state_.get()](net::request& r) { return s->check_key(r); });
    const net::route_options large{.body_bytes_max = body_bytes_max};
    // GET never changes data, as in ClickHouse.
    routes.add(
        "GET", "/", [s = state_.get()](net::request& r) { return s->serve(r, false); }, large);
    routes.add(
        "POST", "/", [s = state_.get()](net::request& r) { return s->serve(r, true); }, large);
    routes.add("GET", "/ping", [](net::request&) -> task<net::response> {
        co_return net::response::text(200, "Ok.\n");
    });
    return routes;
}

void http_front::close() {
    state_->write_thread.join();
    state_->read_threads.join();
    state_->readers.clear();
    state_->writer.reset();
}

}  // namespace vora::event_engine
