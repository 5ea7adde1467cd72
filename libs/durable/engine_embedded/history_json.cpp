#include "libs/durable/engine_embedded/history.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace vora::durable {

using nlohmann::json;

namespace {

constexpr std::array<std::pair<event_type, std::string_view>, 18> event_names{{
    {event_type::workflow_execution_started, "workflow_execution_started"},
    {event_type::workflow_execution_signaled, "workflow_execution_signaled"},
    {event_type::workflow_execution_cancel_requested, "workflow_execution_cancel_requested"},
    {event_type::workflow_execution_terminated, "workflow_execution_terminated"},
    {event_type::timer_fired, "timer_fired"},
    {event_type::activity_task_completed, "activity_task_completed"},
    {event_type::activity_task_failed, "activity_task_failed"},
    {event_type::activity_task_timed_out, "activity_task_timed_out"},
    {event_type::activity_task_canceled, "activity_task_canceled"},
    {event_type::workflow_task_completed, "workflow_task_completed"},
    {event_type::timer_started, "timer_started"},
    {event_type::timer_canceled, "timer_canceled"},
    {event_type::activity_task_scheduled, "activity_task_scheduled"},
    {event_type::activity_task_cancel_requested, "activity_task_cancel_requested"},
    {event_type::marker_recorded, "marker_recorded"},
    {event_type::workflow_execution_completed, "workflow_execution_completed"},
    {event_type::workflow_execution_failed, "workflow_execution_failed"},
    {event_type::workflow_execution_canceled, "workflow_execution_canceled"},
}};

constexpr std::array<std::pair<failure::kind, std::string_view>, 5> failure_kinds{{
    {failure::kind::application, "application"},
    {failure::kind::cancelled, "cancelled"},
    {failure::kind::timeout, "timeout"},
    {failure::kind::activity, "activity"},
    {failure::kind::terminated, "terminated"},
}};

constexpr std::array<std::pair<cancellation_type, std::string_view>, 3> cancellation_types{{
    {cancellation_type::try_cancel, "try_cancel"},
    {cancellation_type::wait_cancellation_completed, "wait_cancellation_completed"},
    {cancellation_type::abandon, "abandon"},
}};

template <class E, std::size_t N>
std::string name_of(const std::array<std::pair<E, std::string_view>, N>& names, E value) {
    for (const auto& [e, name] : names) {
        if (e == value) {
            return std::string(name);
        }
    }
    return {};
}

template <class E, std::size_t N>
E value_of(const std::array<std::pair<E, std::string_view>, N>& names, const std::string& text) {
    for (const auto& [e, name] : names) {
        if (name == text) {
            return e;
        }
    }
    throw json::other_error::create(501, "unknown name: " + text, nullptr);
}

json to_json(const failure& f) {
    json j{{"kind", name_of(failure_kinds, f.what)}, {"type", f.type}, {"message", f.message}};
    if (f.non_retryable) {
        j["non_retryable"] = true;
    }
    if (!f.details.empty()) {
        j["details"] = f.details;
    }
    if (f.cause) {
        j["cause"] = to_json(*f.cause);
    }
    return j;
}

failure failure_of(const json& j) {
    failure f;
    f.what = value_of(failure_kinds, j.at("kind").get<std::string>());
    f.type = j.at("type").get<std::string>();
    f.message = j.at("message").get<std::string>();
    f.non_retryable = j.value("non_retryable", false);
    f.details = j.value("details", std::string{});
    if (j.contains("cause")) {
        f.cause = std::make_shared<const failure>(failure_of(j.at("cause")));
    }
    return f;
}

json to_json(const activity_options& o) {
    return {{"task_queue", o.task_queue},
            {"schedule_to_close_ms", o.schedule_to_close_timeout.count()},
            {"start_to_close_ms", o.start_to_close_timeout.count()},
            {"heartbeat_ms", o.heartbeat_timeout.count()},
            {"initial_interval_ms", o.retry.initial_interval.count()},
            {"backoff_coefficient", o.retry.backoff_coefficient},
            {"maximum_interval_ms", o.retry.maximum_interval.count()},
            {"maximum_attempts", o.retry.maximum_attempts},
            {"non_retryable_error_types", o.retry.non_retryable_error_types},
            {"cancellation", name_of(cancellation_types, o.cancellation)}};
}

// The library converts any number, and a large fraction to an integer is undefined: whole numbers
// only.
template <class Integer>
Integer whole(const json& j) {
    if (!j.is_number_integer()) {
        throw json::other_error::create(502, "not a whole number", nullptr);
    }
    return j.get<Integer>();
}

template <class Integer>
Integer whole_or_zero(const json& j, const char* key) {
    const auto it = j.find(key);
    return it == j.end() ? Integer{0} : whole<Integer>(*it);
}

milliseconds ms(const json& j, const char* key) {
    return milliseconds(whole<std::int64_t>(j.at(key)));
}

activity_options options_of(const json& j) {
    activity_options o;
    o.task_queue = j.at("task_queue").get<std::string>();
    o.schedule_to_close_timeout = ms(j, "schedule_to_close_ms");
    o.start_to_close_timeout = ms(j, "start_to_close_ms");
    o.heartbeat_timeout = ms(j, "heartbeat_ms");
    o.retry.initial_interval = ms(j, "initial_interval_ms");
    o.retry.backoff_coefficient = j.at("backoff_coefficient").get<double>();
    o.retry.maximum_interval = ms(j, "maximum_interval_ms");
    o.retry.maximum_attempts = whole<int>(j.at("maximum_attempts"));
    o.retry.non_retryable_error_types =
        j.at("non_retryable_error_types").get<std::vector<std::string>>();
    o.cancellation = value_of(cancellation_types, j.at("cancellation").get<std::string>());
    return o;
}

json attributes(const history_event& e) {
    json j = json::object();
    if (e.seq != 0) {
        j["seq"] = e.seq;
    }
    if (e.seed != 0) {
        j["seed"] = e.seed;
    }
    if (!e.name.empty()) {
        j["name"] = e.name;
    }
    if (!e.workflow_id.empty()) {
        j["workflow_id"] = e.workflow_id;
    }
    if (!e.payload.empty()) {
        j["payload"] = e.payload;
    }
    if (e.duration.count() != 0) {
        j["duration_ms"] = e.duration.count();
    }
    if (e.cause) {
        j["failure"] = to_json(*e.cause);
    }
    if (e.options) {
        j["options"] = to_json(*e.options);
    }
    return j;
}

void read_attributes(const json& j, history_event& e) {
    e.seq = whole_or_zero<std::uint32_t>(j, "seq");
    e.seed = whole_or_zero<std::uint64_t>(j, "seed");
    e.name = j.value("name", std::string{});
    e.workflow_id = j.value("workflow_id", std::string{});
    e.payload = j.value("payload", std::string{});
    e.duration = milliseconds(whole_or_zero<std::int64_t>(j, "duration_ms"));
    if (j.contains("failure")) {
        e.cause = failure_of(j.at("failure"));
    }
    if (j.contains("options")) {
        e.options = options_of(j.at("options"));
    }
}

std::unexpected<error> damaged(const std::string& why) {
    return fail(errc::data_loss, "history_damaged", why);
}

// Texts from activities need not be UTF-8: what is not becomes U+FFFD, JSON stays JSON.
std::string text_of(const json& j) {
    return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string_view to_string(event_type t) {
    for (const auto& [e, name] : event_names) {
        if (e == t) {
            return name;
        }
    }
    return "unknown";
}

std::optional<event_type> event_type_from(std::string_view text) {
    for (const auto& [e, name] : event_names) {
        if (name == text) {
            return e;
        }
    }
    return std::nullopt;
}

bool is_command(event_type t) {
    return t > event_type::workflow_task_completed;
}

std::string attributes_to_json(const history_event& e) {
    return text_of(attributes(e));
}

result<history_event> event_from(std::int64_t id, std::string_view type, timestamp time,
                                 const std::string& attributes_text) {
    const auto known = event_type_from(type);
    if (!known) {
        return damaged("unknown event type");
    }
    history_event e;
    e.id = id;
    e.type = *known;
    e.time = time;
    try {
        read_attributes(json::parse(attributes_text), e);
    } catch (const json::exception& bad) {
        return damaged(bad.what());
    }
    return e;
}

std::string failure_to_json(const failure& f) {
    return text_of(to_json(f));
}

result<failure> failure_from_json(const std::string& text) {
    try {
        return failure_of(json::parse(text));
    } catch (const json::exception& bad) {
        return damaged(bad.what());
    }
}

std::string options_to_json(const activity_options& o) {
    return text_of(to_json(o));
}

result<activity_options> options_from_json(const std::string& text) {
    try {
        return options_of(json::parse(text));
    } catch (const json::exception& bad) {
        return damaged(bad.what());
    }
}

std::string history_to_json(std::span<const history_event> history) {
    json all = json::array();
    for (const auto& e : history) {
        all.push_back({{"event_id", e.id},
                       {"type", std::string(to_string(e.type))},
                       {"time_ms", to_unix_ms(e.time)},
                       {"attributes", attributes(e)}});
    }
    return all.dump(1, ' ', false, json::error_handler_t::replace);
}

result<std::vector<history_event>> history_from_json(const std::string& text) {
    try {
        std::vector<history_event> events;
        for (const auto& j : json::parse(text)) {
            auto e = event_from(
                whole<std::int64_t>(j.at("event_id")), j.at("type").get<std::string>(),
                from_unix_ms(whole<std::int64_t>(j.at("time_ms"))), j.at("attributes").dump());
            if (!e) {
                return fail(e.error());
            }
            events.push_back(std::move(*e));
        }
        return events;
    } catch (const json::exception& bad) {
        return damaged(bad.what());
    }
}

}  // namespace vora::durable
