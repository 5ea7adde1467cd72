#include "services/metadata/handlers/video_json.hpp"

#include "contracts/activities/media.hpp"
#include "libs/base/encoding.hpp"

#include <nlohmann/json.hpp>

namespace vora::metadata {

namespace {

using json = nlohmann::ordered_json;

template <class T>
json or_null(const std::optional<T>& value) {
    return value ? json(*value) : json(nullptr);
}

json time_or_null(const std::optional<timestamp>& t) {
    return t ? json(to_rfc3339(*t)) : json(nullptr);
}

json renditions_of(const video& v) {
    auto list = json::array();
    for (const auto& r : v.renditions) {
        list.push_back({{"name", r.name},
                        {"width", r.width},
                        {"height", r.height},
                        {"bandwidth", r.bandwidth},
                        {"codecs", r.codecs}});
    }
    return list;
}

json report_of(const video& v) {
    auto list = json::array();
    for (const auto& f : v.input_report) {
        list.push_back({{"code", f.code}, {"detail", f.detail}});
    }
    return list;
}

json upload_of(const video& v, const url_bases& bases, const auth::grant_keys& keys) {
    auth::upload_grant grant;
    grant.reference = reference_of(v.id);
    grant.subject = v.owner;
    grant.expires = v.upload_expires_at;
    const auto text = auth::sign(keys, grant);
    return {{"url", bases.upload + "/files/?grant=" + percent_encode(text)},
            {"headers", {{"Authorization", "Bearer " + text}}},
            {"expires_at", to_rfc3339(v.upload_expires_at)}};
}

json progress_of(const std::optional<ingest_progress>& p) {
    if (!p) {
        return nullptr;
    }
    return {{"stage", p->stage}, {"percent", p->percent}, {"eta_s", or_null(p->eta_s)}};
}

json public_manifest_url(const video& v, const url_bases& bases) {
    if (!is_playable(v) || v.visible != visibility::everyone) {
        return nullptr;
    }
    return bases.play + "/play/public/" + v.id.value + "/master.m3u8";
}

}  // namespace

std::string render_video(const video& v, const std::optional<ingest_progress>& progress,
                         const url_bases& bases, const auth::grant_keys& keys) {
    json out;
    out["id"] = v.id.value;
    out["title"] = v.title;
    out["description"] = v.description;
    out["state"] = to_string(v.state);
    out["visibility"] = to_string(v.visible);
    out["playable_at"] = time_or_null(v.playable_at);
    out["manifest_url"] = public_manifest_url(v, bases);
    out["duration_s"] = or_null(v.duration_s);
    out["width"] = or_null(v.width);
    out["height"] = or_null(v.height);
    out["renditions"] = renditions_of(v);
    out["progress"] = progress_of(progress);
    out["input_report"] = report_of(v);
    out["error"] =
        v.failure ? json{{"code", v.failure->code}, {"detail", v.failure->detail}} : json(nullptr);
    out["version"] = v.version;
    out["generation"] = v.generation;
    out["created_at"] = to_rfc3339(v.created_at);
    out["updated_at"] = to_rfc3339(v.updated_at);
    if (v.state == video_state::created) {
        out["upload"] = upload_of(v, bases, keys);
    }
    return out.dump();
}

std::string render_page(const std::vector<std::string>& rendered,
                        const std::string& next_page_token) {
    std::string out = "{\"videos\":[";
    for (std::size_t i = 0; i < rendered.size(); ++i) {
        out += (i == 0 ? "" : ",") + rendered[i];
    }
    out += "]";
    if (!next_page_token.empty()) {
        out += ",\"next_page_token\":" + json(next_page_token).dump();
    }
    return out + "}";
}

std::string render_internal_playback(const video& v) {
    auto renditions = nlohmann::json::array();
    for (const auto& r : v.renditions) {
        renditions.push_back(contracts::rendition_facts{r.name, r.width, r.height, r.bandwidth,
                                                        r.average_bandwidth, r.codecs, r.frame_rate,
                                                        r.frames, r.segments, r.size_bytes});
    }
    return nlohmann::json{{"video_id", v.id.value},
                          {"state", to_string(v.state)},
                          {"playable", is_playable(v)},
                          {"public", v.visible == visibility::everyone},
                          {"generation", v.generation},
                          {"version", v.version},
                          {"prefix", output_prefix(v.id, v.generation)},
                          {"renditions", renditions},
                          {"duration_s", v.duration_s.value_or(0)}}
        .dump();
}

}  // namespace vora::metadata
