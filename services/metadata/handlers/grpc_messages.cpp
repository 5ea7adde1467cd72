#include "services/metadata/handlers/grpc_messages.hpp"

#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

namespace vora::metadata {

namespace {

// A number that this program has no name for goes on as a number, for the rules to refuse.
std::string visibility_text(proto::Video::Visibility v) {
    switch (v) {
        case proto::Video::PRIVATE:
            return "private";
        case proto::Video::PUBLIC:
            return "public";
        default:
            return std::to_string(static_cast<int>(v));
    }
}

std::string state_text(proto::Video::State s) {
    const auto& name = proto::Video::State_Name(s);
    return name.empty() ? std::to_string(static_cast<int>(s)) : name;
}

}  // namespace

parsed<new_video> new_video_of(const proto::CreateVideoRequest& m) {
    nlohmann::json body{{"title", m.title()}, {"description", m.description()}};
    if (m.visibility() != proto::Video::VISIBILITY_UNSPECIFIED) {
        body["visibility"] = visibility_text(m.visibility());
    }
    return parse_create(body.dump());
}

parsed<video_patch> patch_of(const proto::UpdateVideoRequest& m) {
    auto body = nlohmann::json::object();
    if (m.has_title()) {
        body["title"] = m.title();
    }
    if (m.has_description()) {
        body["description"] = m.description();
    }
    if (m.has_visibility()) {
        body["visibility"] = visibility_text(m.visibility());
    }
    return parse_patch(body.dump());
}

parsed<upload_id> upload_of(const proto::CompleteUploadRequest& m) {
    return parse_complete(nlohmann::json{{"upload_id", m.upload_id()}}.dump());
}

parsed<playback_terms> terms_of(const proto::CreatePlaybackRequest& m) {
    auto body = nlohmann::json::object();
    if (m.has_ttl_s()) {
        body["ttl_s"] = m.ttl_s();
    }
    if (m.has_max_height()) {
        body["max_height"] = m.max_height();
    }
    return parse_playback(body.dump());
}

parsed<video_filter> filter_of(const proto::ListVideosRequest& m) {
    net::request r;
    if (m.page_size() != 0) {
        r.query.emplace_back("page_size", std::to_string(m.page_size()));
    }
    if (!m.page_token().empty()) {
        r.query.emplace_back("page_token", m.page_token());
    }
    if (m.state() != proto::Video::STATE_UNSPECIFIED) {
        r.query.emplace_back("state", state_text(m.state()));
    }
    return parse_filter(r);
}

result<void> read_rendered(const std::string& json, google::protobuf::Message& into) {
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    options.case_insensitive_enum_parsing = true;  // "private"
    const auto status = google::protobuf::util::JsonStringToMessage(json, &into, options);
    if (!status.ok()) {
        return fail(errc::internal, "bad_rendering", std::string(status.message()));
    }
    return {};
}

}  // namespace vora::metadata
