#include "services/analytics/testing/fake_clickhouse.hpp"

#include "libs/base/assert.hpp"
#include "libs/compress/gzip.hpp"
#include "services/analytics/core/bytes.hpp"
#include "services/analytics/core/row_binary.hpp"

namespace vora::analytics::testing {

namespace {

// Ends the connection in the middle of the answer.
class broken_off final : public net::body_source {
 public:
    task<result<std::size_t>> read(std::span<char>) override {
        co_return fail(errc::unavailable, "connection_lost");
    }
};

std::uint64_t seq_of(std::string_view row) {
    std::size_t at = 8;
    for (int text = 0; text < 4; ++text) {
        at += 1 + static_cast<unsigned char>(row[at]);  // short ones only
    }
    return u64_at(row, at);
}

}  // namespace

fake_clickhouse::fake_clickhouse(executor ex) : ex_(std::move(ex)) {}

void fake_clickhouse::start() {
    net::router routes;
    net::route_options big;
    big.body_bytes_max = 64 << 20;
    routes.add("POST", "/", [this](net::request& r) { return answer(r); }, big);
    net::server_options options;
    options.address = address_;
    options.name = "clickhouse";
    options.drain_timeout = std::chrono::milliseconds(0);
    server_ =
        std::make_unique<net::server>(ex_, options, std::move(routes), obs::logger(), metrics_);
    VORA_ASSERT(server_->start());
    address_ = server_->address();
    url_ = "http://" + address_;
}

task<> fake_clickhouse::stop() {
    co_await server_->stop();
    server_.reset();
}

net::response fake_clickhouse::refuse(int status, int code, const std::string& text) {
    auto r = net::response::text(status, "Code: " + std::to_string(code) + ". " + text);
    r.headers.set("X-ClickHouse-Exception-Code", std::to_string(code));
    return r;
}

task<net::response> fake_clickhouse::answer(net::request& r) {
    if (delay.count() > 0) {
        co_await sleep_for(delay);
    }
    const auto in_url = r.query_value("query");
    if (in_url && in_url->starts_with("INSERT")) {
        auto answered = co_await insert(r, std::string(*in_url));
        co_return answered;
    }
    auto body = co_await net::read_all(*r.body, 1 << 20);
    co_return statement((in_url ? std::string(*in_url) : "") + body.value_or(""));
}

net::response fake_clickhouse::statement(const std::string& sql) {
    if (sql.starts_with("CREATE TABLE")) {
        has_table = true;
    }
    if (sql.starts_with("SELECT version()")) {
        return net::response::text(
            200, "26.7.2.1\t['async_insert=1','insert_deduplication_token=','readonly=0']\n");
    }
    if (sql.starts_with("SELECT") && (!has_table || foreign_table)) {
        return refuse(404, has_table ? 47 : 60, "no such table or column");
    }
    return net::response::text(200, "");
}

task<net::response> fake_clickhouse::insert(net::request& r, const std::string&) {
    auto rows = co_await net::read_all(*r.body, 64 << 20);
    if (!rows) {
        co_return refuse(400, 33, "interrupted");
    }
    if (r.headers.get("Content-Encoding") == "gzip") {
        rows = compress::gunzip(*rows, 64 << 20);
        VORA_ASSERT(rows);
        ++packed_inserts;
    }
    ++inserts;
    if (on_insert) {
        on_insert();
    }
    if (answer_status != 0) {
        co_return refuse(answer_status, answer_code, "as told");
    }
    if (!has_table || foreign_table) {
        co_return refuse(404, 60, "no table");
    }
    if (!poison.empty() && rows->find(poison) != std::string::npos) {
        co_return refuse(400, 27, "cannot parse");
    }
    const std::string token(r.query_value("insert_deduplication_token").value_or(""));
    VORA_ASSERT(!token.empty());
    if (tokens.insert(token).second && !take(*rows)) {
        tokens.erase(token);
        co_return refuse(400, 33, "truncated");
    }
    if (store_then_fail > 0) {
        --store_then_fail;
        co_return refuse(500, 159, "as told");
    }
    if (cut_after_storing > 0) {
        --cut_after_storing;
        net::response cut;
        cut.stream = std::make_unique<broken_off>();
        cut.stream_length = 10;
        co_return cut;
    }
    co_return net::response::text(200, "");
}

bool fake_clickhouse::take(const std::string& rows) {
    std::string_view rest = rows;
    std::vector<std::uint64_t> found;
    while (!rest.empty()) {
        const auto n = row_length(rest);
        if (!n) {
            return false;
        }
        found.push_back(seq_of(rest));
        rest.remove_prefix(*n);
    }
    for (const auto seq : found) {
        ++stored[seq];
    }
    largest_insert = std::max(largest_insert, found.size());
    return true;
}

}  // namespace vora::analytics::testing
