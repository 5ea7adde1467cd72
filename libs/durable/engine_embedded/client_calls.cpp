// What durable::client promises, as callers see it.

#include "libs/base/crypto.hpp"
#include "libs/durable/engine_embedded/engine_state.hpp"

#include <cstring>

namespace vora::durable {

namespace {

std::unexpected<error> not_found() {
    return fail(errc::not_found, "workflow_not_found");
}

std::unexpected<error> too_large() {
    return fail(errc::resource_exhausted, "payload_too_large", "pass references, not data");
}

std::uint64_t random_seed() {
    const std::string bytes = random_bytes(sizeof(std::uint64_t));
    std::uint64_t seed = 0;
    std::memcpy(&seed, bytes.data(), sizeof seed);
    return seed | 1;  // zero means none in a history
}

run_description description_of(const open_run& run) {
    run_description d = sql::description_of(run.row);
    for (const auto& [seq, a] : run.activities) {
        d.pending_activities.push_back({a.type, a.attempt, a.heartbeat_details,
                                        a.last_failure ? a.last_failure->root().type : ""});
    }
    return d;
}

}  // namespace

task<result<std::string>> embedded_engine::start(start_request r) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (r.input.size() > payload_bytes_max) {
        co_return too_large();
    }
    if (s.registry.find(r.workflow_type) == nullptr) {
        co_return fail(errc::invalid_argument, "unknown_workflow_type", r.workflow_type);
    }
    if (s.find(r.workflow_id)) {
        co_return fail(errc::already_exists, "workflow_already_started");
    }
    if (s.runs.size() >= s.options.open_runs_max) {
        co_return fail(errc::resource_exhausted, "too_many_open_runs");
    }
    auto run = std::make_shared<open_run>();
    run->row = {r.workflow_id, random_uuid(), r.workflow_type, r.task_queue, run_status::running,
                s.now(),       std::nullopt,  std::nullopt,    true};
    run->last_event_id = 1;
    run->wants_task = true;
    history_event started;
    started.id = 1;
    started.type = event_type::workflow_execution_started;
    started.time = run->row.started;
    started.seed = random_seed();
    started.name = r.workflow_type;
    started.workflow_id = r.workflow_id;
    started.payload = std::move(r.input);
    run->undelivered.push_back(started);
    run->interpreter = std::make_unique<workflow_run>(s.registry, s.log_sink());
    auto inserted = std::make_shared<bool>(false);
    deferred<result<std::string>> answer(s.ex);
    s.db.submit([row = run->row, started,
                 inserted](SQLite::Database& d) { *inserted = sql::insert_run(d, row, started); },
                [state = state_.get(), run, inserted, answer](const result<void>& committed) {
                    if (!committed) {
                        answer.set(fail(committed.error()));
                    } else if (!*inserted) {
                        answer.set(fail(errc::already_exists, "workflow_already_started"));
                    } else {
                        state->add(run);
                        state->keep_cached(run);
                        state->pump(run);
                        answer.set(run->row.run_id);
                    }
                });
    co_return co_await answer.get();
}

task<result<void>> embedded_engine::signal(std::string workflow_id, std::string name,
                                           std::string input) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (input.size() > payload_bytes_max) {
        co_return too_large();
    }
    deferred<result<void>> answer(s.ex);
    inbox_item item;
    item.what = inbox_item::kind::signal;
    item.event.type = event_type::workflow_execution_signaled;
    item.event.name = std::move(name);
    item.event.payload = std::move(input);
    item.done = [answer](result<void> r) { answer.set(std::move(r)); };
    if (auto run = s.find(workflow_id)) {
        s.post(run, std::move(item));
    } else {
        s.look_up(workflow_id, [&s, workflow_id, answer, item](auto found) mutable {
            if (auto opened = s.find(workflow_id)) {
                s.post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                answer.set(fail(errc::failed_precondition, "workflow_closed"));
            }
        });
    }
    co_return co_await answer.get();
}

task<result<std::string>> embedded_engine::query(std::string workflow_id, std::string name,
                                                 std::string input) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    deferred<result<std::string>> answer(s.ex);
    inbox_item item;
    item.what = inbox_item::kind::query;
    item.event.name = std::move(name);
    item.event.payload = std::move(input);
    item.answered = [answer](result<std::string> r) { answer.set(std::move(r)); };
    if (auto run = s.find(workflow_id)) {
        s.post(run, std::move(item));
    } else {
        s.look_up(workflow_id, [&s, workflow_id, answer, item](auto found) mutable {
            if (auto opened = s.find(workflow_id)) {
                s.post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                s.query_closed(**found, std::move(item.event), std::move(item.answered));
            }
        });
    }
    co_return co_await answer.get();
}

task<result<void>> embedded_engine::cancel(std::string workflow_id) {
    inbox_item item;
    item.what = inbox_item::kind::cancel;
    item.event.type = event_type::workflow_execution_cancel_requested;
    return state_->end(std::move(workflow_id), std::move(item));
}

task<result<void>> embedded_engine::terminate(std::string workflow_id, std::string reason) {
    inbox_item item;
    item.what = inbox_item::kind::terminate;
    item.event.type = event_type::workflow_execution_terminated;
    failure why;
    why.what = failure::kind::terminated;
    why.type = "terminated";
    why.message = std::move(reason);
    item.event.cause = std::move(why);
    return state_->end(std::move(workflow_id), std::move(item));
}

// cancel and terminate: success when the run is closed already.
task<result<void>> embedded_engine::state::end(std::string workflow_id, inbox_item item) {
    if (!running) {
        co_return engine_stopped();
    }
    deferred<result<void>> answer(ex);
    item.done = [answer](result<void> r) { answer.set(std::move(r)); };
    if (auto run = find(workflow_id)) {
        post(run, std::move(item));
    } else {
        look_up(workflow_id, [this, workflow_id, answer, item](auto found) mutable {
            if (auto opened = find(workflow_id)) {
                post(opened, std::move(item));
            } else if (!found) {
                answer.set(fail(found.error()));
            } else if (!*found) {
                answer.set(not_found());
            } else {
                answer.set({});
            }
        });
    }
    co_return co_await answer.get();
}

task<result<run_description>> embedded_engine::describe(std::string workflow_id) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    if (auto run = s.find(workflow_id)) {
        co_return description_of(*run);
    }
    deferred<result<run_description>> answer(s.ex);
    s.look_up(workflow_id, [&s, workflow_id, answer](auto found) {
        if (auto opened = s.find(workflow_id)) {
            answer.set(description_of(*opened));
        } else if (!found) {
            answer.set(fail(found.error()));
        } else if (!*found) {
            answer.set(not_found());
        } else {
            answer.set(sql::description_of(**found));
        }
    });
    co_return co_await answer.get();
}

task<result<std::vector<run_description>>> embedded_engine::list(run_query q) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    using descriptions = std::vector<run_description>;
    auto found = std::make_shared<descriptions>();
    deferred<result<descriptions>> answer(s.ex);
    s.db.submit(
        [q = std::move(q), found](SQLite::Database& d) {
            found->clear();  // a batch that failed is run once more
            for (const auto& row : sql::list_runs(d, q)) {
                found->push_back(sql::description_of(row));
            }
        },
        [found, answer](const result<void>& r) {
            answer.set(r ? result<descriptions>(std::move(*found)) : fail(r.error()));
        });
    co_return co_await answer.get();
}

task<result<std::string>> embedded_engine::history(std::string workflow_id) {
    auto& s = *state_;
    if (!s.running) {
        co_return engine_stopped();
    }
    auto text = std::make_shared<std::optional<std::string>>();
    deferred<result<std::string>> answer(s.ex);
    s.db.submit(
        [workflow_id, text](SQLite::Database& d) {
            if (auto run = sql::find_run(d, workflow_id)) {
                *text = history_to_json(sql::load_history(d, run->run_id));
            }
        },
        [text, answer](const result<void>& r) {
            if (!r) {
                answer.set(fail(r.error()));
            } else if (!*text) {
                answer.set(not_found());
            } else {
                answer.set(std::move(**text));
            }
        });
    co_return co_await answer.get();
}

}  // namespace vora::durable
