// An open-loop load generator: requests start when the clock says so, whether earlier ones have
// been answered or not, and times count from the planned start. So a server that stalls is seen to
// stall (no coordinated omission), which wrk's closed loop hides. Prints one line of JSON.

#include "libs/base/async.hpp"
#include "libs/net/client.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace vora {
namespace {

using std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

struct plan {
    std::vector<std::string> urls;
    std::string method = "GET";
    std::string body;
    std::vector<std::string> headers;
    double per_second = 100;
    double seconds = 10;
    std::size_t in_flight_max = 2000;
};

struct books {
    std::vector<double> first_byte_ms;
    std::vector<double> total_ms;
    std::map<int, std::size_t> statuses;
    std::map<std::string, std::size_t> errors;
    std::size_t bytes = 0;
    std::size_t not_sent = 0;
    double late_ms_max = 0;  // of this generator itself
};

double since(steady_clock::time_point start) {
    return milliseconds(steady_clock::now() - start).count();
}

task<> one(net::client& client, const plan& p, books& b, std::size_t number,
           steady_clock::time_point start) {
    net::client_request r;
    r.method = p.method;
    r.url = p.urls[number % p.urls.size()];
    r.body = p.body;
    for (const auto& header : p.headers) {
        const auto colon = header.find(':');
        r.headers.add(header.substr(0, colon), header.substr(std::min(colon + 2, header.size())));
    }
    auto answer = co_await client.open(std::move(r));
    if (!answer) {
        ++b.errors[answer.error().reason];
        co_return;
    }
    const auto first = since(start);
    std::array<char, 65536> buffer;
    for (;;) {
        auto read = co_await (*answer)->read(buffer);
        if (!read) {
            ++b.errors[read.error().reason];
            co_return;
        }
        if (*read == 0) {
            break;
        }
        b.bytes += *read;
    }
    b.first_byte_ms.push_back(first);
    b.total_ms.push_back(since(start));
    ++b.statuses[(*answer)->status()];
}

task<> run(executor ex, const plan& p, books& b) {
    net::client client(ex, p.in_flight_max);
    task_group group(ex);
    const auto begun = steady_clock::now();
    const auto count = static_cast<std::size_t>(p.per_second * p.seconds);
    for (std::size_t i = 0; i < count; ++i) {
        const auto due = begun + std::chrono::duration_cast<steady_clock::duration>(
                                     std::chrono::duration<double>(i / p.per_second));
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - steady_clock::now());
        if (wait.count() > 0) {
            co_await sleep_for(wait);
        }
        if (group.size() >= p.in_flight_max) {
            ++b.not_sent;
            continue;
        }
        // sleep_for has whole milliseconds: up to one of each figure is the generator's own.
        b.late_ms_max = std::max(b.late_ms_max, since(due));
        group.spawn(one(client, p, b, i, due));
    }
    co_await group.join();
    client.close();
}

nlohmann::json percentiles(std::vector<double> values) {
    std::ranges::sort(values);
    auto at = [&](double share) {
        if (values.empty()) {
            return 0.0;
        }
        const auto index = static_cast<std::size_t>(share * static_cast<double>(values.size()));
        return values[std::min(index, values.size() - 1)];
    };
    return {{"p50", at(0.50)}, {"p90", at(0.90)}, {"p99", at(0.99)}, {"max", at(1.0)}};
}

nlohmann::json report(const books& b) {
    nlohmann::json statuses = nlohmann::json::object();
    for (const auto& [status, count] : b.statuses) {
        statuses[std::to_string(status)] = count;
    }
    return {{"first_byte_ms", percentiles(b.first_byte_ms)},
            {"total_ms", percentiles(b.total_ms)},
            {"statuses", statuses},
            {"errors", b.errors},
            {"bytes", b.bytes},
            {"not_sent", b.not_sent},
            {"generator_late_ms_max", b.late_ms_max}};
}

}  // namespace
}  // namespace vora

int main(int argc, char** argv) {
    vora::plan p;
    CLI::App app(
        "Open-loop load on URLs in turn; times count from the planned start of each request");
    app.add_option("--rate", p.per_second, "requests per second")->check(CLI::PositiveNumber);
    app.add_option("--seconds", p.seconds, "how long")->check(CLI::PositiveNumber);
    app.add_option("--method", p.method, "HTTP method");
    app.add_option("--body", p.body, "body of every request");
    app.add_option("--header", p.headers, "\"Name: value\", any number of times");
    app.add_option("urls", p.urls, "http://HOST:PORT/path")->required();
    CLI11_PARSE(app, argc, argv);

    vora::event_loop loop;
    vora::books b;
    loop.run_until_done(vora::run(loop.executor(), p, b));
    std::printf("%s\n", vora::report(b).dump().c_str());
    return b.errors.empty() && b.not_sent == 0 ? 0 : 1;
}
