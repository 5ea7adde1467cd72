#include "services/event_engine/adapters/chdb_engine.hpp"

#include "services/event_engine/core/request_settings.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <utility>
#include <vector>

namespace vora::event_engine {

class chdb_store {
 public:
    chdb_store(const chdb_library& l, std::string p) : library(l), path(std::move(p)) {}
    chdb_library library;
    std::string path;
};

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{64} << 20;
constexpr std::size_t append_bytes = std::size_t{1} << 20;

// Server options of the first connection: a small machine's share, not a database server's. The
// caches of a server would grow to gigabytes.
constexpr std::array options{
    "--max_server_memory_usage=1500000000",
    "--mark_cache_size=33554432",
    "--uncompressed_cache_size=0",
    "--index_mark_cache_size=8388608",
    "--primary_index_cache_size=16777216",
    "--query_condition_cache_size=0",
    "--background_pool_size=2",
    "--background_fetches_pool_size=1",
    "--background_move_pool_size=1",
    "--background_common_pool_size=1",
    "--background_schedule_pool_size=2",
    "--max_thread_pool_size=64",
    "--max_thread_pool_free_size=2",
    "--max_io_thread_pool_size=4",
    "--max_io_thread_pool_free_size=0",
};

// "Code: 62. DB::Exception: ..." names the code.
sql_error described(const char* text) {
    sql_error e{1001, text};  // STD_EXCEPTION
    constexpr std::string_view start = "Code: ";
    const std::string_view message = e.message;
    if (const auto at = message.find(start); at != std::string_view::npos) {
        int code = 0;
        const auto digits = message.substr(at + start.size());
        if (std::from_chars(digits.data(), digits.data() + digits.size(), code).ec == std::errc()) {
            e.code = code;
        }
    }
    return e;
}

class connection final : public sql_engine {
 public:
    connection(std::shared_ptr<chdb_store> s, chdb_connection* handle);
    ~connection() override;

    text_facts look_at(std::string_view sql) override;
    sql_result<answer> query(std::string_view sql, std::string_view format,
                             const parameters& values, const statement_settings& s) override;
    sql_result<answer> insert(std::string_view insert_head, std::string_view format,
                              std::string_view rows, const statement_settings& s) override;

 private:
    const chdb_library& library() const { return store_->library; }
    sql_result<answer> send_rows(chdb_insert_stream stream, std::string_view rows);
    sql_result<answer> run(std::string_view sql, std::string_view format, const parameters& values);
    sql_result<answer> take(chdb_result* r);
    sql_result<void> apply(const statement_settings& s);

    std::shared_ptr<chdb_store> store_;
    chdb_connection* handle_;
    statement_settings settings_;
    std::string database_;
    bool applied_ = false;
};

connection::connection(std::shared_ptr<chdb_store> s, chdb_connection* handle)
    : store_(std::move(s)), handle_(handle) {}

connection::~connection() {
    library().close(handle_);
}

text_facts connection::look_at(std::string_view sql) {
    chdb_query_analysis a;
    if (library().classify(*handle_, sql.data(), sql.size(), nullptr, 0, &a) != 0) {
        return {};
    }
    using enum text_facts::effect;
    return {a.statement_count,
            a.query_class == 0 ? none : (a.query_class == 1 ? changes_data : other)};
}

sql_result<answer> connection::query(std::string_view sql, std::string_view format,
                                     const parameters& values, const statement_settings& s) {
    if (auto r = apply(s); !r) {
        return std::unexpected(r.error());
    }
    return run(sql, format, values);
}

sql_result<answer> connection::insert(std::string_view insert_head, std::string_view format,
                                      std::string_view rows, const statement_settings& s) {
    if (auto r = apply(s); !r) {
        return std::unexpected(r.error());
    }
    const auto stream = library().insert_begin(*handle_, insert_head.data(), insert_head.size(),
                                               format.data(), format.size());
    auto out = send_rows(stream, rows);
    library().insert_destroy(stream);
    return out;
}

sql_result<answer> connection::send_rows(chdb_insert_stream stream, std::string_view rows) {
    if (const char* e = library().insert_error(stream)) {
        return std::unexpected(described(e));
    }
    while (!rows.empty()) {
        const auto piece = rows.substr(0, append_bytes);
        rows.remove_prefix(piece.size());
        if (library().insert_append(stream, piece.data(), piece.size()) != 0) {
            break;  // done() says why
        }
    }
    return take(library().insert_done(stream));
}

sql_result<answer> connection::run(std::string_view sql, std::string_view format,
                                   const parameters& values) {
    std::vector<const char*> names;
    std::vector<const char*> texts;
    std::vector<std::size_t> name_sizes;
    std::vector<std::size_t> text_sizes;
    for (const auto& [name, text] : values) {
        names.push_back(name.data());
        name_sizes.push_back(name.size());
        texts.push_back(text.data());
        text_sizes.push_back(text.size());
    }
    return take(library().query(*handle_, sql.data(), sql.size(), format.data(), format.size(),
                                names.data(), name_sizes.data(), texts.data(), text_sizes.data(),
                                values.size()));
}

sql_result<answer> connection::take(chdb_result* r) {
    if (r == nullptr) {
        return std::unexpected(described("the engine gave no answer"));
    }
    sql_result<answer> out;
    const auto length = library().result_length(r);
    if (const char* e = library().result_error(r)) {
        out = std::unexpected(described(e));
    } else if (length > answer_bytes_max) {
        out = std::unexpected(sql_error{
            396, "Code: 396. DB::Exception: the answer is too large (TOO_MANY_ROWS_OR_BYTES)"});
    } else {
        if (length > 0) {
            out->bytes.assign(library().result_buffer(r), length);
        }
        out->rows_written = library().result_rows_written(r);
    }
    library().destroy_result(r);
    return out;
}

// Settings belong to the connection and stay; only a change costs a statement.
sql_result<void> connection::apply(const statement_settings& s) {
    if (applied_ && s == settings_) {
        return {};
    }
    applied_ = false;
    auto set = run(set_statement(s), "Null", {});
    if (!set) {
        return std::unexpected(set.error());
    }
    if (s.database != database_) {
        auto used = run("USE `" + s.database + "`", "Null", {});
        if (!used) {
            return std::unexpected(used.error());
        }
        database_ = s.database;
    }
    settings_ = s;
    applied_ = true;
    return {};
}

}  // namespace

result<std::shared_ptr<chdb_store>> open_store(const std::string& library,
                                               const std::string& path) {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec) {
        return fail(errc::unavailable, "event_engine_storage", path + ": " + ec.message());
    }
    auto l = chdb_library::open(library);
    if (!l) {
        return fail(l.error());
    }
    l->set_signal_handlers_enabled(0);
    return std::make_shared<chdb_store>(*l, path);
}

result<std::unique_ptr<sql_engine>> connect(std::shared_ptr<chdb_store> store) {
    std::vector<std::string> words{"clickhouse", "--path=" + store->path};
    words.insert(words.end(), options.begin(), options.end());
    std::vector<char*> argv;
    for (auto& word : words) {
        argv.push_back(word.data());
    }
    auto* handle = store->library.connect(static_cast<int>(argv.size()), argv.data());
    if (handle == nullptr) {
        return fail(errc::unavailable, "event_engine_storage",
                    store->path + " cannot be opened: another process has it, or it is damaged");
    }
    return std::make_unique<connection>(std::move(store), handle);
}

}  // namespace vora::event_engine
