#include "services/gateway/testing/gateway_fixture.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

namespace vora::gateway::testing {

namespace fs = std::filesystem;

gateway_fixture::gateway_fixture()
    : dir_(fs::temp_directory_path() / ("vora-gateway-" + random_hex(8))) {
    fs::create_directories(dir_);
    files_ = std::make_unique<blob::file_store>(dir_ / "bucket-processed", pool_);
    store_ = std::make_unique<fake_store>(loop_.executor(), *files_);
    for (int i = 0; i < 300'000; ++i) {
        segment_ += static_cast<char>(i * 31 + i / 188);
    }
    for (const auto& id : {public_id, private_id, unready_id}) {
        put(id + "/master.m3u8", "the stored one\n");
        put(id + "/thumbnail.jpg", "a picture of " + id);
        for (const std::string name : {"1080p", "720p", "360p"}) {
            put(id + "/" + name + "/playlist.m3u8", "#EXTM3U\n#of " + name + "\n");
            put(id + "/" + name + "/seg_01.ts", segment_);
            put(id + "/" + name + "/seg_02.ts", "x");
        }
    }
    put(public_id + "/360p/seg_03.ts", "");
    set_video(public_id, true, true);
    set_video(private_id, false, true);
    set_video(unready_id, true, false);
}

gateway_fixture::~gateway_fixture() {
    pool_.join();
    fs::remove_all(dir_);
}

void gateway_fixture::start(config c) {
    stop();
    net::router internal;
    internal.add("GET", "/internal/playback/{id}", [this](net::request& r) -> task<net::response> {
        ++metadata_asked_;
        seen_authorization_ = r.headers.get("Authorization").value_or("");
        if (metadata_status_ != 0) {
            co_return net::response::json(metadata_status_, "{}");
        }
        const auto found = videos_.find(std::string(r.param("id")));
        co_return found == videos_.end() ? net::response::json(404, "{}")
                                         : net::response::json(200, found->second);
    });
    metadata_ = std::make_unique<net::server>(loop_.executor(), net::server_options{},
                                              std::move(internal), obs::logger(), metrics_);
    ASSERT_TRUE(metadata_->start());
    c.metadata_url = "http://" + metadata_->address();
    c.internal_secret = "internal-secret";
    app_ =
        std::make_unique<app>(loop_.executor(), *store_, keys_, clock_, obs::logger(), metrics_, c);
    net::server_options options;
    options.open_path = "/play/";
    front_ = std::make_unique<net::server>(loop_.executor(), options, app_->public_routes(),
                                           obs::logger(), metrics_);
    ASSERT_TRUE(front_->start());
    client_ = std::make_unique<net::client>(loop_.executor());
}

void gateway_fixture::stop() {
    if (!front_) {
        return;
    }
    store_->release();
    loop_.run_until_done(front_->stop());
    loop_.run_until_done(app_->stop());
    loop_.run_until_done(metadata_->stop());
    client_->close();
    front_.reset();
    app_.reset();
    metadata_.reset();
}

task<result<net::client_response>> gateway_fixture::send_later(std::string path) {
    net::client_request request;
    request.url = "http://" + front_->address() + path;
    auto answer = co_await client_->send(std::move(request));
    co_return answer;
}

net::client_response gateway_fixture::send(const std::string& method, const std::string& path,
                                           net::headers headers) {
    net::client_request request;
    request.method = method;
    request.url = "http://" + front_->address() + path;
    request.headers = std::move(headers);
    auto answer = loop_.run_until_done(client_->send(std::move(request)));
    if (!answer) {
        ADD_FAILURE() << method << " " << path << ": " << answer.error().reason;
        return {};
    }
    return *answer;
}

void gateway_fixture::put(const std::string& key, const std::string& bytes) {
    const auto stored = loop_.run_until_done(files_->put(key, bytes, blob::put_mode::create_only));
    ASSERT_TRUE(stored) << key;
}

void gateway_fixture::set_video(const std::string& id, bool is_public, bool playable) {
    nlohmann::json renditions = nlohmann::json::array();
    for (const auto& r : {make_rendition("1080p", 1920, 1080, 6'000'000),
                          make_rendition("720p", 1280, 720, 2'600'000),
                          make_rendition("360p", 640, 360, 800'000)}) {
        renditions.push_back({{"name", r.name},
                              {"width", r.width},
                              {"height", r.height},
                              {"bandwidth", r.bandwidth},
                              {"average_bandwidth", r.average_bandwidth},
                              {"codecs", r.codecs},
                              {"frame_rate", r.frame_rate},
                              {"segments", r.segments}});
    }
    videos_[id] =
        nlohmann::json{{"video_id", id},       {"state", playable ? "READY" : "PROCESSING"},
                       {"playable", playable}, {"public", is_public},
                       {"generation", 1},      {"version", 3},
                       {"prefix", id + "/"},   {"renditions", renditions},
                       {"duration_s", 9.5}}
            .dump();
}

double gateway_fixture::metric(const std::string& line_start) const {
    std::istringstream lines(metrics_.expose());
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(line_start)) {
            return std::stod(line.substr(line.rfind(' ')));
        }
    }
    return 0;
}

}  // namespace vora::gateway::testing
