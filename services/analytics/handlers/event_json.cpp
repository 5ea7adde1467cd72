#include "services/analytics/handlers/event_json.hpp"

#include "services/analytics/core/row_binary.hpp"

#include <simdjson.h>

#include <cmath>
#include <optional>

namespace vora::analytics {

namespace dom = simdjson::dom;

struct event_parser::state {
    dom::parser parser{body_bytes_max};
    std::string padded;
};

namespace {

// Absent and null are the same: clients of typed languages send null.
class event_reader {
 public:
    explicit event_reader(timestamp received) {
        event_.received_at = received;
        event_.event_time = received;
    }

    std::optional<drop_reason> read(dom::element element) {
        dom::object object;
        if (element.get(object) != simdjson::SUCCESS) {
            return drop_reason::bad_shape;
        }
        for (const auto field : object) {
            if (field.value.is_null()) {
                continue;
            }
            if (const auto bad = member(field.key, field.value)) {
                return bad;
            }
        }
        if (event_.event_type.empty()) {
            return drop_reason::bad_type;
        }
        if (event_.video_id.empty()) {
            return drop_reason::bad_id;
        }
        event_.event_time = clamp_time(event_.event_time, event_.received_at);
        return std::nullopt;
    }
    const event& read_event() const { return event_; }

 private:
    using verdict = std::optional<drop_reason>;

    verdict member(std::string_view name, dom::element value) {
        if (name == "event_type") {
            const auto bad = text(value, event_.event_type, 64, drop_reason::bad_type);
            return bad || is_event_type(event_.event_type) ? bad : drop_reason::bad_type;
        }
        if (name == "video_id") {
            return text(value, event_.video_id, id_bytes_max, drop_reason::bad_id);
        }
        if (name == "user_id") {
            return text(value, event_.user_id, id_bytes_max, drop_reason::bad_id);
        }
        if (name == "session_id") {
            return text(value, event_.session_id, id_bytes_max, drop_reason::bad_id);
        }
        if (name == "detail") {
            return text(value, event_.detail, detail_bytes_max, drop_reason::bad_detail);
        }
        if (name == "event_time") {
            return time(value);
        }
        if (name == "seq") {
            return number(value, event_.seq, seq_max);
        }
        if (name == "position_ms") {
            return number(value, event_.position_ms, number_max);
        }
        if (name == "value") {
            return number(value, event_.value, number_max);
        }
        return std::nullopt;
    }

    static verdict text(dom::element value, std::string_view& to, std::size_t bytes_max,
                        drop_reason bad) {
        if (value.get(to) != simdjson::SUCCESS) {
            return drop_reason::bad_shape;
        }
        return is_printable(to, bytes_max) ? verdict() : bad;
    }

    // Fractions are cut off: players measure in floating point.
    static verdict number(dom::element value, std::uint64_t& to, std::uint64_t most) {
        double d = 0;
        if (!value.is_number() || value.get(d) != simdjson::SUCCESS) {
            return drop_reason::bad_shape;
        }
        if (!(d >= 0) || !(d <= static_cast<double>(most))) {
            return drop_reason::bad_number;
        }
        to = static_cast<std::uint64_t>(d);
        return std::nullopt;
    }

    verdict time(dom::element value) {
        double ms = 0;
        if (value.is_number() && value.get(ms) == simdjson::SUCCESS) {
            constexpr double far = 1e15;  // beyond any clamp, within 64 bits
            event_.event_time =
                from_unix_ms(static_cast<std::int64_t>(std::clamp(std::floor(ms), -far, far)));
            return std::nullopt;
        }
        std::string_view words;
        if (value.get(words) != simdjson::SUCCESS) {
            return drop_reason::bad_shape;
        }
        const auto t = from_rfc3339(words);
        if (!t) {
            return drop_reason::bad_time;
        }
        event_.event_time = *t;
        return std::nullopt;
    }

    event event_;
};

}  // namespace

event_parser::event_parser() : state_(std::make_unique<state>()) {}
event_parser::~event_parser() = default;

result<parsed_events> event_parser::parse(std::string_view body, timestamp received) {
    // The parser reads a little beyond the end.
    auto& padded = state_->padded;
    padded.reserve(std::max(body.size(), body_bytes_max) + simdjson::SIMDJSON_PADDING);
    padded.assign(body);
    dom::element document;
    if (state_->parser.parse(padded.data(), padded.size(), false).get(document) !=
        simdjson::SUCCESS) {
        return fail(errc::invalid_argument, "not_json", "the body is not JSON");
    }
    dom::array events;
    if (document.at_key("events").get(events) != simdjson::SUCCESS) {
        return fail(errc::invalid_argument, "not_events",
                    "the body is not an object with an array \"events\"");
    }
    if (events.size() > events_max) {
        return fail(errc::resource_exhausted, "too_many_events",
                    "at most " + std::to_string(events_max) + " events in a request");
    }
    parsed_events out;
    for (const auto element : events) {
        event_reader reader(received);
        if (const auto bad = reader.read(element)) {
            ++out.bad[static_cast<std::size_t>(*bad)];
        } else {
            append_row(out.rows, reader.read_event());
            ++out.good;
        }
    }
    return out;
}

}  // namespace vora::analytics
