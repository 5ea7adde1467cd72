#include "services/all/event_engine_process.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace vora::all {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using boost::asio::posix::stream_descriptor;

// A cold disk and a busy machine: the library alone is half a gigabyte.
constexpr auto start_time_max = 120s;
constexpr auto stop_time_max = 5s;
constexpr auto ping_deadline = 2s;
constexpr std::uintmax_t log_bytes_max = 1 << 20;

// Engines on these files: processes that were started with exactly this path.
std::vector<pid_t> engines_on(const std::string& program, const std::string& path) {
    std::vector<pid_t> found;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator("/proc", ec)) {
        const auto pid = parse_uint(entry.path().filename().string());
        if (!pid) {
            continue;
        }
        std::ifstream in(entry.path() / "cmdline", std::ios::binary);
        std::vector<std::string> words;
        for (std::string word; std::getline(in, word, '\0');) {
            words.push_back(word);
        }
        const bool is_one = !words.empty() &&
                            fs::path(words[0]).filename() == fs::path(program).filename() &&
                            std::ranges::find(words, "--path=" + path) != words.end();
        if (is_one) {
            found.push_back(static_cast<pid_t>(*pid));
        }
    }
    return found;
}

// True when none is left.
bool kill_engines_on(const std::string& program, const std::string& path) {
    const auto limit = steady::now() + 10s;
    auto left = engines_on(program, path);
    while (!left.empty() && steady::now() < limit) {
        for (const auto pid : left) {
            ::kill(pid, SIGKILL);
        }
        ::usleep(20'000);
        left = engines_on(program, path);
    }
    return left.empty();
}

// Up to a line's end or, with nothing, the end.
task<result<std::string>> read_line(stream_descriptor& pipe) {
    std::string line;
    std::array<char, 256> piece{};
    while (line.size() < 1024) {
        auto [failed, n] = co_await pipe.async_read_some(
            boost::asio::buffer(piece), boost::asio::as_tuple(boost::asio::use_awaitable));
        if (failed == boost::asio::error::operation_aborted) {
            throw boost::system::system_error(failed);
        }
        if (failed) {
            break;
        }
        line.append(piece.data(), n);
        if (line.ends_with('\n')) {
            line.pop_back();
            co_return line;
        }
    }
    co_return fail(errc::unavailable, "ended", "it ended before it served");
}

void bound_log(const std::string& path) {
    std::error_code ec;
    if (fs::file_size(path, ec) > log_bytes_max && !ec) {
        fs::resize_file(path, 0, ec);
    }
}

}  // namespace

event_engine_process::event_engine_process(blocking_pool& pool, net::client& http, options o,
                                           obs::logger log, obs::metrics& metrics)
    : pool_(pool),
      http_(http),
      options_(std::move(o)),
      log_(std::move(log)),
      up_(metrics.gauge("vora_event_engine_up", "1 while the embedded event engine serves")),
      restarts_(metrics.counter("vora_event_engine_restarts_total",
                                "starts of the embedded event engine but the first")),
      resident_(metrics.gauge("vora_event_engine_resident_bytes",
                              "memory of the event engine, its library's pages included")),
      anonymous_(metrics.gauge("vora_event_engine_anonymous_bytes",
                               "memory of the event engine that is its own")) {}

task<result<void>> event_engine_process::end_strays() {
    auto ended = co_await pool_.run([program = options_.program, path = options_.data_path] {
        return kill_engines_on(program, path);
    });
    if (!ended) {
        co_return fail(errc::unavailable, "stray",
                       "an event engine of an earlier run does not end");
    }
    co_return result<void>{};
}

task<std::string> event_engine_process::live(std::string library) {
    auto clean = co_await end_strays();
    if (!clean) {
        co_return clean.error().detail;
    }
    if (stopping_) {
        co_return std::string("stopping");
    }
    std::error_code ec;
    fs::create_directories(options_.data_path, ec);
    if (ec) {
        co_return options_.data_path + ": " + ec.message();
    }
    bound_log(options_.log_file);
    served_ = false;
    auto started = child::spawn({options_.program,
                                 {"--library=" + library, "--path=" + options_.data_path,
                                  "--parent=" + std::to_string(::getpid())},
                                 {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"},
                                 options_.data_path,
                                 options_.log_file});
    if (!started) {
        co_return started.error().detail;
    }
    child_ = std::move(*started);
    if (std::exchange(started_, true)) {
        restarts_.add();
    }
    auto why = co_await serve();
    ended();
    while (!child_.ended()) {
        child_.send(SIGKILL);  // its pipe is closed, it is on its way out
        co_await sleep_for(10ms);
    }
    if (!stopping_) {
        log_.warn("event_engine_ended", {{"why", why}, {"exit", child_.exit()}});
    }
    co_return why;
}

// From the key to the end of the child's stdout, which is its death.
task<std::string> event_engine_process::serve() {
    const auto key = random_hex(32);
    if (!child_.write_input(key + "\n")) {
        co_return std::string("it ended before it served");
    }
    auto ex = co_await current_executor();
    stream_descriptor pipe(ex, child_.take_output());
    auto url = co_await with_deadline(read_line(pipe), start_time_max);
    if (!url) {
        co_return url.error().detail.empty() ? "it did not start in time" : url.error().detail;
    }
    where_ = clickhouse::endpoint{*url, "default", key};
    answers_ = true;
    served_ = true;
    answered_ = steady::now();
    up_.set(1);
    read_memory();
    log_.info("event_engine_started", {{"pid", child_.pid()}});
    for (;;) {
        auto more = co_await with_deadline(read_line(pipe), options_.ping_interval);
        if (!more && more.error().code != errc::deadline_exceeded) {
            co_return std::string("it ended");
        }
        co_await look_after();
        if (steady::now() - answered_ > options_.silence_max) {
            co_return std::string("it did not answer any more");
        }
    }
}

task<> event_engine_process::look_after() {
    net::client_request r;
    r.url = where_->url + "/ping";
    r.headers.set("X-ClickHouse-Key", where_->password);
    r.deadline = ping_deadline;
    auto pong = co_await http_.send(std::move(r));
    answers_ = pong && pong->status == 200;
    if (answers_) {
        answered_ = steady::now();
    }
    up_.set(answers_ ? 1 : 0);
    read_memory();
}

void event_engine_process::read_memory() {
    std::ifstream in("/proc/" + std::to_string(child_.pid()) + "/status");
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        double kib = 0;
        words >> name >> kib;
        if (name == "VmRSS:") {
            resident_.set(kib * 1024);
        } else if (name == "RssAnon:") {
            anonymous_.set(kib * 1024);
        }
    }
}

void event_engine_process::ended() {
    where_.reset();
    answers_ = false;
    up_.set(0);
    resident_.set(0);
    anonymous_.set(0);
}

task<> event_engine_process::stop() {
    stopping_ = true;
    where_.reset();
    child_.close_input();
    child_.send(SIGTERM);
    const auto limit = steady::now() + (answers_ ? stop_time_max : 1s);
    while (!child_.ended()) {
        if (steady::now() > limit) {
            child_.send(SIGKILL);
        }
        co_await sleep_for(10ms);
    }
}

}  // namespace vora::all
