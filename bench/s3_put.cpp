// What the S3 adapter costs: writes parts of one object from memory that never changes, and prints
// its own CPU-seconds. The peer is curl, which puts the same bytes unsigned
// (bench/object_store.py).

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/s3/s3_store.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace vora {
namespace {

constexpr std::uint64_t part_bytes = 16ULL << 20;

double own_cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// The error's reason, or "".
task<std::string> put(blob::s3_store& store, std::string key, std::uint32_t parts) {
    const std::vector<char> bytes(part_bytes, 'v');
    auto begun = co_await store.begin_multipart(key, part_bytes);
    if (!begun) {
        co_return begun.error().reason;
    }
    std::vector<blob::part_info> done;
    for (std::uint32_t number = 1; number <= parts; ++number) {
        auto part = co_await store.put_part(key, *begun, number, bytes);
        if (!part) {
            co_return part.error().reason;
        }
        done.push_back(*part);
    }
    auto completed = co_await store.complete_multipart(key, *begun, std::move(done));
    if (!completed) {
        co_return completed.error().reason;
    }
    auto removed = co_await store.remove(key);
    co_return removed ? "" : removed.error().reason;
}

int measure(blob::s3_options options, std::uint32_t mebibytes) {
    event_loop loop;
    blocking_pool files(1);
    const system_clock_source clock;
    auto store = blob::s3_store::make(loop.executor(), files, clock, std::move(options));
    if (!store) {
        std::fprintf(stderr, "vora-s3-put: %s\n", store.error().detail.c_str());
        return 1;
    }
    const auto parts = static_cast<std::uint32_t>((mebibytes * (1ULL << 20)) / part_bytes);
    const auto cpu_before = own_cpu_seconds();
    const auto begun = std::chrono::steady_clock::now();
    const auto trouble = loop.run_until_done(put(**store, "bench/object", parts));
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begun;
    if (!trouble.empty()) {
        std::fprintf(stderr, "vora-s3-put: %s\n", trouble.c_str());
        return 1;
    }
    const nlohmann::json report = {{"mebibytes", mebibytes},
                                   {"cpu_s", own_cpu_seconds() - cpu_before},
                                   {"wall_s", wall.count()}};
    std::printf("%s\n", report.dump().c_str());
    return 0;
}

}  // namespace
}  // namespace vora

int main(int argc, char** argv) {
    vora::blob::s3_options options;
    std::uint32_t mebibytes = 1024;
    CLI::App app("Writes one object through the S3 adapter and prints the CPU it took");
    app.add_option("--endpoint", options.endpoint, "http://HOST:PORT")->required();
    app.add_option("--bucket", options.bucket, "where to write; it must be there")->required();
    app.add_option("--access-key", options.access_key, "")->envname("VORA_S3_ACCESS_KEY");
    app.add_option("--secret-key", options.secret_key, "")->envname("VORA_S3_SECRET_KEY");
    app.add_option("--mebibytes", mebibytes, "how much, a multiple of 16")
        ->check(CLI::Range(16, 100'000));
    CLI11_PARSE(app, argc, argv);
    return vora::measure(std::move(options), mebibytes);
}
