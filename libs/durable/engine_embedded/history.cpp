#include "libs/durable/engine_embedded/history.hpp"

#include <utility>

namespace vora::durable {

namespace {

template <class... F>
struct overloaded : F... {
    using F::operator()...;
};

std::optional<activation_job> job_of(const history_event& e) {
    switch (e.type) {
        case event_type::workflow_execution_started:
            return job::initialize_workflow{e.workflow_id, e.name, e.payload, e.seed};
        case event_type::workflow_execution_signaled:
            return job::signal_workflow{e.name, e.payload};
        case event_type::workflow_execution_cancel_requested:
            return job::cancel_workflow{};
        case event_type::timer_fired:
            return job::fire_timer{e.seq};
        case event_type::activity_task_completed:
            return job::resolve_activity{e.seq, e.payload};
        case event_type::activity_task_failed:
        case event_type::activity_task_timed_out:
        case event_type::activity_task_canceled:
            return job::resolve_activity{e.seq, std::unexpected(e.cause.value_or(failure{}))};
        default:
            return std::nullopt;
    }
}

// The same command? Inputs and durations may change with the code, identities may not.
bool matches(const history_event& made, const history_event& recorded) {
    return made.type == recorded.type && made.seq == recorded.seq &&
           (made.type == event_type::activity_task_scheduled ||
                    made.type == event_type::marker_recorded
                ? made.name == recorded.name
                : true);
}

std::string in_words(const history_event& e) {
    std::string text(to_string(e.type));
    if (e.seq != 0) {
        text += " " + std::to_string(e.seq);
    }
    if (!e.name.empty()) {
        text += " " + e.name;
    }
    return text;
}

std::optional<std::string> difference(const completion& done,
                                      std::span<const history_event> recorded) {
    std::vector<history_event> made;
    for (const auto& c : done.commands) {
        if (auto e = event_of(c)) {
            made.push_back(std::move(*e));
        }
    }
    for (std::size_t i = 0; i < std::max(made.size(), recorded.size()); ++i) {
        if (i < made.size() && i < recorded.size() && matches(made[i], recorded[i])) {
            continue;
        }
        return "history has " + (i < recorded.size() ? in_words(recorded[i]) : "nothing more") +
               ", the definition gives " + (i < made.size() ? in_words(made[i]) : "nothing more");
    }
    return std::nullopt;
}

}  // namespace

activation make_activation(const std::string& run_id, timestamp time, bool replaying,
                           std::span<const history_event> arrived,
                           std::span<const history_event> commands_to_come,
                           std::int64_t history_length) {
    activation a{run_id, time, replaying, history_length, {}};
    auto add_all = [&](auto wanted) {
        for (const auto& e : arrived) {
            auto j = job_of(e);
            if (j && wanted(e.type)) {
                a.jobs.push_back(std::move(*j));
            }
        }
    };
    add_all([](event_type t) { return t == event_type::workflow_execution_started; });
    for (const auto& e : commands_to_come) {
        if (e.type == event_type::marker_recorded) {
            a.jobs.push_back(job::notify_has_patch{e.name});
        }
    }
    add_all([](event_type t) { return t == event_type::workflow_execution_signaled; });
    add_all([](event_type t) {
        return t != event_type::workflow_execution_started &&
               t != event_type::workflow_execution_signaled;
    });
    return a;
}

std::optional<history_event> event_of(const workflow_command& c) {
    history_event e;
    auto typed = [&e](event_type t) -> history_event& {
        e.type = t;
        return e;
    };
    const bool recorded = std::visit(
        overloaded{
            [&](const command::start_timer& t) {
                typed(event_type::timer_started).seq = t.seq;
                e.duration = t.start_to_fire_timeout;
                return true;
            },
            [&](const command::cancel_timer& t) {
                typed(event_type::timer_canceled).seq = t.seq;
                return true;
            },
            [&](const command::schedule_activity& s) {
                typed(event_type::activity_task_scheduled).seq = s.seq;
                e.name = s.activity_type;
                e.payload = s.input;
                e.options = s.options;
                return true;
            },
            [&](const command::request_cancel_activity& r) {
                typed(event_type::activity_task_cancel_requested).seq = r.seq;
                return true;
            },
            [&](const command::complete_workflow_execution& d) {
                typed(event_type::workflow_execution_completed).payload = d.result;
                return true;
            },
            [&](const command::fail_workflow_execution& f) {
                typed(event_type::workflow_execution_failed).cause = f.failure;
                return true;
            },
            [&](const command::cancel_workflow_execution&) {
                typed(event_type::workflow_execution_canceled).cause = failure::cancelled();
                return true;
            },
            [&](const command::set_patch_marker& m) {
                typed(event_type::marker_recorded).name = m.patch_id;
                return true;
            },
            [](const command::respond_to_query&) { return false; },
        },
        c);
    if (!recorded) {
        return std::nullopt;
    }
    return e;
}

result<replayed_run> replay(const workflow_registry& registry, workflow_run::log_sink log,
                            const std::string& run_id, std::span<const history_event> history) {
    replayed_run r;
    r.run = std::make_unique<workflow_run>(registry, std::move(log));
    std::size_t arrived_from = 0;
    for (std::size_t i = 0; i < history.size(); ++i) {
        r.last_event_id = history[i].id;
        if (history[i].type != event_type::workflow_task_completed) {
            continue;
        }
        std::size_t end = i + 1;
        while (end < history.size() && is_command(history[end].type)) {
            ++end;
        }
        const auto commands = history.subspan(i + 1, end - i - 1);
        r.last_task_time = history[i].time;
        auto done = r.run->activate(make_activation(run_id, history[i].time, true,
                                                    history.subspan(arrived_from, i - arrived_from),
                                                    commands, history[i].id));
        if (done.activation_failure) {
            return fail(errc::failed_precondition, "workflow_task_failed",
                        done.activation_failure->message);
        }
        if (auto wrong = difference(done, commands)) {
            return fail(errc::failed_precondition, "nondeterminism", *wrong);
        }
        arrived_from = end;
        i = end - 1;
        r.last_event_id = history[i].id;
    }
    const auto rest = history.subspan(arrived_from);
    r.undelivered.assign(rest.begin(), rest.end());
    return r;
}

result<void> replay_history(const workflow_registry& registry, const std::string& exported) {
    auto events = history_from_json(exported);
    if (!events) {
        return fail(events.error());
    }
    auto r = replay(registry, {}, "replayed", *events);
    if (!r) {
        return fail(r.error());
    }
    return {};
}

}  // namespace vora::durable
