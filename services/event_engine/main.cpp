// vora-event-engine: ClickHouse as a library, behind ClickHouse's HTTP interface. A child of vora:
//
//   vora-event-engine --library=LIBCHDB --path=DIR --parent=PID
//
// stdin: the key, one line; then nothing. Its end is the order to stop. It dies with its parent
// either way. Or by itself, for services that run as processes of their own, until SIGTERM:
//
//   vora-event-engine --library=LIBCHDB --path=DIR --users=FILE [--listen=HOST:PORT]
//
// FILE (0600): NAME PASSWORD read|write, one account a line; stdin means nothing then, and with a
// --parent it still dies with that. stdout: one line, the URL, once requests are served.

#include "libs/base/async.hpp"
#include "libs/base/encoding.hpp"
#include "libs/base/signals.hpp"
#include "libs/net/server.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/event_engine/adapters/chdb_engine.hpp"
#include "services/event_engine/core/accounts.hpp"
#include "services/event_engine/handlers/http_front.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

namespace vora::event_engine {

namespace {

constexpr int reader_count = 2;
constexpr unsigned stop_seconds_max = 3;

[[noreturn]] void end(const std::string& why, int code) {
    std::fprintf(stderr, "vora-event-engine: %s\n", why.c_str());
    std::_Exit(code);
}

struct arguments {
    std::string library;
    std::string path;
    std::string listen = "127.0.0.1:0";
    pid_t parent = 0;
    std::string users;  // a file; empty: the parent's key
};

constexpr std::string_view usage =
    "usage: vora-event-engine --library=LIBCHDB --path=DIR --parent=PID (started by vora)\n"
    "   or: vora-event-engine --library=LIBCHDB --path=DIR --users=FILE [--listen=HOST:PORT] "
    "[--parent=PID]";

arguments parse(int argc, char** argv) {
    arguments a;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.starts_with("--library=")) {
            a.library = word.substr(10);
        } else if (word.starts_with("--path=")) {
            a.path = word.substr(7);
        } else if (word.starts_with("--listen=")) {
            a.listen = word.substr(9);
        } else if (word.starts_with("--parent=")) {
            const auto pid = parse_uint(word.substr(9));
            a.parent = pid ? static_cast<pid_t>(*pid) : 0;
        } else if (word.starts_with("--users=")) {
            a.users = word.substr(8);
        } else {
            end(std::string(usage), 2);
        }
    }
    if (a.library.empty() || a.path.empty() || (a.parent == 0 && a.users.empty())) {
        end(std::string(usage), 2);
    }
    return a;
}

std::string read_key() {
    std::string key;
    char c = 0;
    while (key.size() < 256 && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
        key += c;
    }
    if (key.size() < 16) {
        end("no key on stdin", 2);
    }
    return key;
}

// The parent holds the other end of stdin, so that its end, however it came, is seen here.
void stop_at_end_of_input() {
    std::thread([] {
        std::array<char, 64> ignored{};
        while (::read(STDIN_FILENO, ignored.data(), ignored.size()) > 0) {
        }
        ::kill(::getpid(), SIGTERM);
    }).detach();
}

accounts who_may_ask(const arguments& a) {
    if (a.users.empty()) {
        return accounts({{"", read_key(), false}});
    }
    auto all = read_accounts(a.users);
    if (!all) {
        end(all.error().detail, 2);
    }
    return accounts(std::move(*all));
}

void serve(const arguments& a, accounts who, int announce) {
    auto store = open_store(a.library, a.path);
    if (!store) {
        end(store.error().detail, 3);
    }
    std::array<std::unique_ptr<sql_engine>, reader_count + 1> connections;
    for (auto& c : connections) {
        auto r = connect(*store);
        if (!r) {
            end(r.error().detail, 4);
        }
        c = std::move(*r);
    }
    std::vector<std::unique_ptr<sql_engine>> readers;
    for (int i = 1; i <= reader_count; ++i) {
        readers.push_back(std::move(connections[static_cast<std::size_t>(i)]));
    }
    obs::metrics metrics;
    event_loop loop;
    http_front front(std::move(connections[0]), std::move(readers), std::move(who));
    net::server_options o;
    o.name = "event_engine";
    o.address = a.listen;
    o.connections_max = 64;
    o.drain_timeout = std::chrono::milliseconds(1000);
    net::server server(loop.executor(), o, front.routes(), obs::logger::to_stderr(obs::level::warn),
                       metrics);
    if (auto r = server.start(); !r) {
        end(r.error().reason, 5);
    }
    const auto line = "http://" + server.address() + "\n";
    if (::write(announce, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        end("the parent is gone", 6);
    }
    if (a.users.empty()) {
        stop_at_end_of_input();
    }
    loop.run_until_done(next_signal({SIGTERM, SIGINT}));
    // Whatever still runs then: the engine's files are whole after a kill, too.
    ::alarm(stop_seconds_max);
    loop.run_until_done(server.stop());
    front.close();
}

}  // namespace

int run(int argc, char** argv) {
    const auto a = parse(argc, argv);
    if (a.parent != 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != a.parent) {
            end("the parent is gone", 6);
        }
    }
    auto who = who_may_ask(a);
    // What the library prints must not be taken for our word to the parent.
    const int announce = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (announce < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        end("no stdout", 2);
    }
    serve(a, std::move(who), announce);
    // The library's threads are still there and its shutdown does not return: no destructors.
    std::_Exit(0);
}

}  // namespace vora::event_engine

int main(int argc, char** argv) {
    return vora::event_engine::run(argc, argv);
}
