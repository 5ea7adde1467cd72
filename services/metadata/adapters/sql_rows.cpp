#include "services/metadata/adapters/sql_rows.hpp"

#include <nlohmann/json.hpp>

#include <stdexcept>

namespace vora::metadata {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(rendition, name, width, height, bandwidth,
                                                average_bandwidth, codecs, frame_rate, frames,
                                                segments, size_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(finding, code, detail)

namespace {

template <class T>
T require(std::optional<T> value, const char* what) {
    if (!value) {
        throw std::runtime_error(std::string("the database has an unknown ") + what);
    }
    return *value;
}

std::optional<timestamp> time_or_null(const sql_row& row, std::size_t i) {
    return row.is_null(i) ? std::nullopt : std::optional(row.time(i));
}

sql_value int_or_null(const std::optional<int>& n) {
    return n ? sql_value(std::int64_t{*n}) : sql_value();
}

template <class T>
void put(nlohmann::json& out, const char* name, const std::optional<T>& value) {
    if (value) {
        out[name] = *value;
    }
}

void put_time(nlohmann::json& out, const char* name, const std::optional<timestamp>& t) {
    if (t) {
        out[name] = to_unix_ms(*t);
    }
}

template <class T>
std::optional<T> get(const nlohmann::json& in, const char* name) {
    const auto found = in.find(name);
    return found == in.end() ? std::nullopt : std::optional(found->template get<T>());
}

std::optional<timestamp> get_time(const nlohmann::json& in, const char* name) {
    const auto ms = get<std::int64_t>(in, name);
    return ms ? std::optional(from_unix_ms(*ms)) : std::nullopt;
}

std::optional<int> int_or_null(const sql_row& row, std::size_t i) {
    return row.is_null(i) ? std::nullopt : std::optional(static_cast<int>(row.integer(i)));
}

}  // namespace

video read_video(const sql_row& row) {
    video v;
    v.id = video_id{row.text(0)};
    v.title = row.text(1);
    v.description = row.text(2);
    v.state = require(parse_video_state(row.text(3)), "state");
    // 4, manifest_url, follows from id and state; it stands there for people and other tools.
    v.visible = require(parse_visibility(row.text(5)), "visibility");
    v.owner = row.text(6);
    v.generation = row.integer(7);
    v.version = row.integer(8);
    v.created_at = row.time(9);
    v.updated_at = row.time(10);
    v.upload_expires_at = row.time(11);
    v.source = upload_id{row.text_or_empty(12)};
    v.playable_at = time_or_null(row, 13);
    v.settled_at = time_or_null(row, 14);
    if (!row.is_null(15)) {
        v.duration_s = row.real(15);
    }
    v.width = int_or_null(row, 16);
    v.height = int_or_null(row, 17);
    v.renditions = nlohmann::json::parse(row.text(18)).get<std::vector<rendition>>();
    v.input_report = nlohmann::json::parse(row.text(19)).get<std::vector<finding>>();
    if (!row.is_null(20)) {
        v.failure = video_failure{row.text(20), row.text_or_empty(21)};
    }
    v.deleting_at = time_or_null(row, 22);
    v.deleted_at = time_or_null(row, 23);
    v.delete_attempt = row.integer(24);
    return v;
}

sql_values values_of(const video& v) {
    sql_value manifest;
    if (is_playable(v)) {
        manifest = output_prefix(v.id, v.generation) + "master.m3u8";
    }
    return {v.id.value,
            v.title,
            v.description,
            std::string(to_string(v.state)),
            std::move(manifest),
            std::string(to_string(v.visible)),
            v.owner,
            v.generation,
            v.version,
            sql_time(v.created_at),
            sql_time(v.updated_at),
            sql_time(v.upload_expires_at),
            v.source.empty() ? sql_value() : sql_value(v.source.value),
            sql_time(v.playable_at),
            sql_time(v.settled_at),
            v.duration_s ? sql_value(*v.duration_s) : sql_value(),
            int_or_null(v.width),
            int_or_null(v.height),
            nlohmann::json(v.renditions).dump(),
            nlohmann::json(v.input_report).dump(),
            v.failure ? sql_value(v.failure->code) : sql_value(),
            v.failure ? sql_value(v.failure->detail) : sql_value(),
            sql_time(v.deleting_at),
            sql_time(v.deleted_at),
            v.delete_attempt};
}

std::string snapshot_of(const video& v) {
    nlohmann::json out{{"id", v.id.value},
                       {"title", v.title},
                       {"description", v.description},
                       {"state", to_string(v.state)},
                       {"visibility", to_string(v.visible)},
                       {"owner", v.owner},
                       {"generation", v.generation},
                       {"version", v.version},
                       {"created_at", to_unix_ms(v.created_at)},
                       {"updated_at", to_unix_ms(v.updated_at)},
                       {"upload_expires_at", to_unix_ms(v.upload_expires_at)},
                       {"source_upload_id", v.source.value},
                       {"renditions", v.renditions},
                       {"input_report", v.input_report}};
    put_time(out, "playable_at", v.playable_at);
    put_time(out, "settled_at", v.settled_at);
    put(out, "duration_s", v.duration_s);
    put(out, "width", v.width);
    put(out, "height", v.height);
    if (v.failure) {
        out["error_code"] = v.failure->code;
        out["error_detail"] = v.failure->detail;
    }
    return out.dump();
}

video read_snapshot(const std::string& text) {
    const auto in = nlohmann::json::parse(text);
    video v;
    v.id = video_id{in.at("id").get<std::string>()};
    v.title = in.at("title").get<std::string>();
    v.description = in.at("description").get<std::string>();
    v.state = require(parse_video_state(in.at("state").get<std::string>()), "state");
    v.visible = require(parse_visibility(in.at("visibility").get<std::string>()), "visibility");
    v.owner = in.at("owner").get<std::string>();
    v.generation = in.at("generation").get<std::int64_t>();
    v.version = in.at("version").get<std::int64_t>();
    v.created_at = from_unix_ms(in.at("created_at").get<std::int64_t>());
    v.updated_at = from_unix_ms(in.at("updated_at").get<std::int64_t>());
    v.upload_expires_at = from_unix_ms(in.at("upload_expires_at").get<std::int64_t>());
    v.source = upload_id{in.at("source_upload_id").get<std::string>()};
    v.renditions = in.at("renditions").get<std::vector<rendition>>();
    v.input_report = in.at("input_report").get<std::vector<finding>>();
    v.playable_at = get_time(in, "playable_at");
    v.settled_at = get_time(in, "settled_at");
    v.duration_s = get<double>(in, "duration_s");
    v.width = get<int>(in, "width");
    v.height = get<int>(in, "height");
    if (in.contains("error_code")) {
        v.failure = video_failure{in.at("error_code").get<std::string>(),
                                  in.at("error_detail").get<std::string>()};
    }
    return v;
}

upload_record read_upload(const sql_row& row) {
    upload_record u;
    u.id = upload_id{row.text(0)};
    u.video = video_id{row.text(1)};
    u.status = require(parse_upload_status(row.text(2)), "upload state");
    u.updated_at = row.time(3);
    return u;
}

}  // namespace vora::metadata
