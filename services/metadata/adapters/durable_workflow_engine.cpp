#include "services/metadata/adapters/durable_workflow_engine.hpp"

#include "contracts/activities/media.hpp"
#include "contracts/activities/workflows.hpp"
#include "libs/base/async.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

constexpr milliseconds start_deadline{5'000};
constexpr milliseconds describe_deadline{1'000};

run_status status_of(durable::run_status s) {
    switch (s) {
        case durable::run_status::running:
            return run_status::running;
        case durable::run_status::completed:
            return run_status::completed;
        case durable::run_status::failed:
            return run_status::failed;
        case durable::run_status::cancelled:
            return run_status::cancelled;
        case durable::run_status::terminated:
            return run_status::terminated;
        case durable::run_status::timed_out:
            return run_status::timed_out;
    }
    return run_status::running;
}

std::string stage_of(const std::string& activity) {
    if (activity == contracts::probe.name) {
        return "probing";
    }
    if (activity == contracts::encode.name) {
        return "encoding";
    }
    if (activity == contracts::publish.name) {
        return "publishing";
    }
    return "finishing";
}

// Steps tell how far they are themselves; a viewer of the whole run sees the encode's percent, and
// what comes after it does not begin at nothing again.
double percent_of_run(const std::string& stage, double told) {
    return stage == "publishing" || stage == "finishing" ? 100 : std::clamp(told, 0.0, 100.0);
}

template <class Input>
durable::start_request request_for(const durable::workflow_type<Input>& type, std::string id,
                                   const Input& input) {
    return {std::move(id), type.name, type.task_queue, nlohmann::json(input).dump()};
}

}  // namespace

std::string ingest_workflow_id(const video_id& id, std::int64_t generation) {
    return "video-" + id.value + "-g" + std::to_string(generation);
}

std::string delete_workflow_id(const video_id& id, std::int64_t attempt) {
    const auto first = "delete-" + id.value;
    return attempt <= 1 ? first : first + "-a" + std::to_string(attempt);
}

ingest_progress progress_of_run(const durable::run_description& run) {
    if (run.pending_activities.empty()) {
        return {"queued", 0, std::nullopt};
    }
    // Several may run at once; the one that tells most is the last that has told anything.
    for (auto a = run.pending_activities.rbegin(); a != run.pending_activities.rend(); ++a) {
        if (a->heartbeat_details.empty()) {
            continue;
        }
        try {
            const auto told =
                nlohmann::json::parse(a->heartbeat_details).get<contracts::media_progress>();
            ingest_progress p;
            p.stage = told.stage.empty() ? stage_of(a->type) : told.stage;
            p.percent = percent_of_run(p.stage, told.percent);
            if (told.eta_s >= 0) {
                p.eta_s = told.eta_s;
            }
            return p;
        } catch (const nlohmann::json::exception&) {
            // Not a progress: another activity may have told one.
        }
    }
    const auto stage = stage_of(run.pending_activities.back().type);
    return {stage, percent_of_run(stage, 0), std::nullopt};
}

durable_workflow_engine::durable_workflow_engine(durable::client& engine, ingest_limits limits)
    : engine_(engine), limits_(limits) {}

task<result<void>> durable_workflow_engine::start(durable::start_request r) {
    auto run = co_await with_deadline(engine_.start(std::move(r)), start_deadline);
    if (!run && run.error().code != errc::already_exists) {
        co_return fail(std::move(run.error()));
    }
    co_return result<void>{};
}

task<result<void>> durable_workflow_engine::start_ingest(outbox_message m) {
    contracts::ingest_input input;
    input.video_id = m.video.value;
    input.generation = m.generation;
    input.source_key = m.source_key;
    input.source_bytes = m.source_bytes;
    input.output_prefix = output_prefix(m.video, m.generation);
    input.limits = {limits_.duration_max_s, limits_.pixels_max};
    input.cpu_factor_max = limits_.cpu_factor_max;
    input.retry_budget_s = limits_.retry_budget_s;
    auto started = co_await start(
        request_for(contracts::ingest_video, ingest_workflow_id(m.video, m.generation), input));
    co_return started;
}

task<result<void>> durable_workflow_engine::start_delete(outbox_message m) {
    contracts::delete_input input;
    input.video_id = m.video.value;
    input.generation = m.generation;
    // All generations lie under the first one's prefix.
    input.output_prefix = output_prefix(m.video, 1);
    auto started = co_await start(
        request_for(contracts::delete_video, delete_workflow_id(m.video, m.delete_attempt), input));
    co_return started;
}

task<result<void>> durable_workflow_engine::cancel_ingest(video_id id, std::int64_t generation) {
    auto asked =
        co_await with_deadline(engine_.cancel(ingest_workflow_id(id, generation)), start_deadline);
    if (!asked && asked.error().code == errc::not_found) {
        co_return result<void>{};
    }
    co_return asked;
}

task<result<run_view>> durable_workflow_engine::describe_ingest(video_id id,
                                                                std::int64_t generation) {
    auto run = co_await describe(ingest_workflow_id(id, generation));
    co_return run;
}

task<result<run_view>> durable_workflow_engine::describe_delete(video_id id, std::int64_t attempt) {
    auto run = co_await describe(delete_workflow_id(id, attempt));
    co_return run;
}

task<result<run_view>> durable_workflow_engine::describe(std::string workflow_id) {
    auto run = co_await with_deadline(engine_.describe(std::move(workflow_id)), describe_deadline);
    if (!run) {
        co_return fail(std::move(run.error()));
    }
    run_view view;
    view.status = status_of(run->status);
    if (run->last_failure) {
        view.failure_code = run->last_failure->root().type;
    }
    if (view.status == run_status::running) {
        view.progress = progress_of_run(*run);
    }
    co_return view;
}

}  // namespace vora::metadata
