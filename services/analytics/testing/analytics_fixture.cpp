#include "services/analytics/testing/analytics_fixture.hpp"

#include <fstream>
#include <numeric>
#include <sstream>

namespace vora::analytics::testing {

namespace fs = std::filesystem;

analytics_fixture::analytics_fixture()
    : dir_(fs::temp_directory_path() / ("vora-analytics-" + random_hex(8))),
      engine_(loop_.executor()) {
    engine_.start();
}

analytics_fixture::~analytics_fixture() {
    if (app_) {
        stop();
    }
    loop_.run_until_done(engine_.stop());
    pool_.join();
    fs::remove_all(dir_);
}

config analytics_fixture::quick() const {
    config c;
    c.spool_dir = dir_;
    c.flush_ms = 5;
    c.retry_max_ms = 20;
    c.insert_deadline_ms = 5'000;
    return c;
}

void analytics_fixture::start(config c) {
    metrics_ = std::make_unique<obs::metrics>();
    client_ = std::make_unique<net::client>(loop_.executor());
    clickhouse_ = std::make_unique<clickhouse::client>(
        *client_, [this]() -> std::optional<clickhouse::endpoint> {
            return engine_there_ ? std::optional(clickhouse::endpoint{engine_.url(), "default", ""})
                                 : std::nullopt;
        });
    app_ = std::make_unique<app>(loop_.executor(), pool_, clock_, *clickhouse_, obs::logger(),
                                 *metrics_, c, spill_);
    net::server_options options;
    options.name = "front";
    front_ = std::make_unique<net::server>(loop_.executor(), options, app_->public_routes(),
                                           obs::logger(), *metrics_);
    ASSERT_TRUE(front_->start());
    loop_.run_until_done(app_->start());
}

void analytics_fixture::stop() {
    loop_.run_until_done(front_->stop());
    loop_.run_until_done(app_->stop());
    client_->close();
    front_.reset();
    app_.reset();
    clickhouse_.reset();
    client_.reset();
}

net::client_response analytics_fixture::send(const std::string& method, const std::string& body,
                                             net::headers headers) {
    net::client_request r;
    r.method = method;
    r.url = "http://" + front_->address() + "/v1/events";
    r.headers = std::move(headers);
    r.body = body;
    auto answer = loop_.run_until_done(client_->send(std::move(r)));
    EXPECT_TRUE(answer) << answer.error().reason;
    return answer ? std::move(*answer) : net::client_response{};
}

int analytics_fixture::post(const std::string& body) {
    net::headers h;
    h.set("Content-Type", "application/json");
    return send("POST", body, std::move(h)).status;
}

bool analytics_fixture::eventually(const std::function<bool()>& f) {
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    while (!f()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        loop_.run_until_done(sleep_for(milliseconds(2)));
    }
    return true;
}

double analytics_fixture::metric(const std::string& line_start) const {
    std::istringstream page(metrics_->expose());
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with(line_start + " ")) {
            return std::stod(line.substr(line_start.size() + 1));
        }
    }
    ADD_FAILURE() << "no metric " << line_start;
    return -1;
}

void analytics_fixture::expect_balanced() const {
    double sum = stored() + spooled();
    for (const auto reason : drop_reason_names) {
        sum += dropped(std::string(reason));
    }
    EXPECT_EQ(accepted(), sum);
}

void analytics_fixture::expect_stored_once(std::uint64_t from, std::uint64_t to) const {
    for (auto i = from; i < to; ++i) {
        const auto found = engine_.stored.find(i);
        EXPECT_EQ(found == engine_.stored.end() ? 0 : found->second, 1) << i;
    }
}

std::vector<fs::path> analytics_fixture::segments() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(dir_)) {
        if (entry.path().filename().string().starts_with("segment-")) {
            found.push_back(entry.path());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::uint64_t analytics_fixture::spool_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& path : segments()) {
        sum += fs::file_size(path);
    }
    return sum;
}

}  // namespace vora::analytics::testing
