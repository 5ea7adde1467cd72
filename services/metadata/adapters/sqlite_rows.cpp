#include "services/metadata/adapters/sqlite_rows.hpp"

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

std::optional<timestamp> time_or_null(const SQLite::Column& c) {
    return c.isNull() ? std::nullopt : std::optional(from_unix_ms(c.getInt64()));
}

void bind_time(SQLite::Statement& q, int index, const std::optional<timestamp>& t) {
    t ? q.bind(index, to_unix_ms(*t)) : q.bind(index);
}

void bind_int(SQLite::Statement& q, int index, const std::optional<int>& n) {
    n ? q.bind(index, *n) : q.bind(index);
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

std::optional<int> int_or_null(const SQLite::Column& c) {
    return c.isNull() ? std::nullopt : std::optional(c.getInt());
}

}  // namespace

video read_video(SQLite::Statement& q) {
    video v;
    v.id = video_id{q.getColumn(0).getString()};
    v.title = q.getColumn(1).getString();
    v.description = q.getColumn(2).getString();
    v.state = require(parse_video_state(q.getColumn(3).getString()), "state");
    // 4, manifest_url, follows from id and state; it stands there for people and other tools.
    v.visible = require(parse_visibility(q.getColumn(5).getString()), "visibility");
    v.owner = q.getColumn(6).getString();
    v.generation = q.getColumn(7).getInt64();
    v.version = q.getColumn(8).getInt64();
    v.created_at = from_unix_ms(q.getColumn(9).getInt64());
    v.updated_at = from_unix_ms(q.getColumn(10).getInt64());
    v.upload_expires_at = from_unix_ms(q.getColumn(11).getInt64());
    v.source = upload_id{q.getColumn(12).getString()};
    v.playable_at = time_or_null(q.getColumn(13));
    v.settled_at = time_or_null(q.getColumn(14));
    if (const auto duration = q.getColumn(15); !duration.isNull()) {
        v.duration_s = duration.getDouble();
    }
    v.width = int_or_null(q.getColumn(16));
    v.height = int_or_null(q.getColumn(17));
    v.renditions = nlohmann::json::parse(q.getColumn(18).getString()).get<std::vector<rendition>>();
    v.input_report = nlohmann::json::parse(q.getColumn(19).getString()).get<std::vector<finding>>();
    if (const auto code = q.getColumn(20); !code.isNull()) {
        v.failure = video_failure{code.getString(), q.getColumn(21).getString()};
    }
    v.deleting_at = time_or_null(q.getColumn(22));
    v.deleted_at = time_or_null(q.getColumn(23));
    v.delete_attempt = q.getColumn(24).getInt64();
    return v;
}

void bind_video(SQLite::Statement& q, const video& v) {
    q.bind(1, v.id.value);
    q.bind(2, v.title);
    q.bind(3, v.description);
    q.bind(4, std::string(to_string(v.state)));
    if (is_playable(v)) {
        q.bind(5, output_prefix(v.id, v.generation) + "master.m3u8");
    } else {
        q.bind(5);
    }
    q.bind(6, std::string(to_string(v.visible)));
    q.bind(7, v.owner);
    q.bind(8, v.generation);
    q.bind(9, v.version);
    q.bind(10, to_unix_ms(v.created_at));
    q.bind(11, to_unix_ms(v.updated_at));
    q.bind(12, to_unix_ms(v.upload_expires_at));
    if (v.source.empty()) {
        q.bind(13);
    } else {
        q.bind(13, v.source.value);
    }
    bind_time(q, 14, v.playable_at);
    bind_time(q, 15, v.settled_at);
    v.duration_s ? q.bind(16, *v.duration_s) : q.bind(16);
    bind_int(q, 17, v.width);
    bind_int(q, 18, v.height);
    q.bind(19, nlohmann::json(v.renditions).dump());
    q.bind(20, nlohmann::json(v.input_report).dump());
    if (v.failure) {
        q.bind(21, v.failure->code);
        q.bind(22, v.failure->detail);
    } else {
        q.bind(21);
        q.bind(22);
    }
    bind_time(q, 23, v.deleting_at);
    bind_time(q, 24, v.deleted_at);
    q.bind(25, v.delete_attempt);
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

upload_record read_upload(SQLite::Statement& q) {
    upload_record u;
    u.id = upload_id{q.getColumn(0).getString()};
    u.video = video_id{q.getColumn(1).getString()};
    u.status = require(parse_upload_status(q.getColumn(2).getString()), "upload state");
    u.updated_at = from_unix_ms(q.getColumn(3).getInt64());
    return u;
}

}  // namespace vora::metadata
