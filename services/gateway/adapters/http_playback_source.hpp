#pragma once
// Asks the metadata service: GET {url}/internal/playback/{video_id} (contracts/internal/README.md),
// over a kept-alive connection, under one deadline for the whole answer. What it says is checked
// before it is believed: a prefix must lie under the video's own id and names must be of the known
// layout, so that no answer can make the gateway serve other keys or write something else into a
// playlist.

#include "libs/base/clock.hpp"
#include "libs/net/client.hpp"
#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "services/gateway/core/playback_info.hpp"

#include <string>

namespace vora::gateway {

class http_playback_source final : public playback_source {
 public:
    struct options {
        std::string url;  // "http://HOST:PORT"
        std::string secret;
        milliseconds deadline{2000};
    };
    http_playback_source(executor ex, options o, obs::logger log, obs::metrics& metrics);

    task<result<playback_info>> find(std::string video_id) override;
    void close() { client_.close(); }

 private:
    task<result<playback_info>> ask(std::string video_id);
    void note(const result<playback_info>& answer);

    net::client client_;
    options options_;
    obs::logger log_;
    obs::counter& found_;
    obs::counter& unknown_;
    obs::counter& failed_;
    bool away_ = false;
};

// The answer's body; internal ("bad_playback_answer") when it is not what the contract says.
result<playback_info> parse_playback_answer(const std::string& body, const std::string& video_id);

}  // namespace vora::gateway
