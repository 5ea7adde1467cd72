#pragma once
// Messages of contracts/proto and what the core has for them. Requests go through the rules of
// input.hpp and answers through the rendering of video_json.hpp, so that gRPC and REST cannot
// differ.

#include "services/metadata/core/videos.hpp"
#include "services/metadata/handlers/input.hpp"
#include "services/metadata/handlers/playback_offer.hpp"

#include <vora/metadata/v1/video_service.pb.h>

#include <optional>
#include <string>
#include <vector>

namespace vora::metadata {

namespace proto = ::vora::metadata::v1;

parsed<new_video> new_video_of(const proto::CreateVideoRequest& m);  // without the owner
parsed<video_patch> patch_of(const proto::UpdateVideoRequest& m);
parsed<upload_id> upload_of(const proto::CompleteUploadRequest& m);
parsed<playback_terms> terms_of(const proto::CreatePlaybackRequest& m);
parsed<video_filter> filter_of(const proto::ListVideosRequest& m);

// The only version that a change is made to, of UpdateVideoRequest and DeleteVideoRequest.
template <class Message>
std::optional<std::vector<std::int64_t>> versions_of(const Message& m) {
    if (!m.has_version()) {
        return std::nullopt;
    }
    return std::vector<std::int64_t>{m.version()};
}

// `json`: a result of render_video or render_playback. internal ("bad_rendering").
result<void> read_rendered(const std::string& json, google::protobuf::Message& into);

}  // namespace vora::metadata
