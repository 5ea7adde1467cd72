#include "libs/durable/engine_temporal/workflow_worker/run_table.hpp"

#include <algorithm>
#include <utility>

namespace vora::durable {

namespace {

bool starts_a_run(const activation& a) {
    return std::ranges::any_of(
        a.jobs, [](const auto& j) { return std::holds_alternative<job::initialize_workflow>(j); });
}

std::string eviction_text(const activation& a) {
    for (const auto& j : a.jobs) {
        if (const auto* evict = std::get_if<job::remove_from_cache>(&j)) {
            return evict->message;
        }
    }
    return {};
}

}  // namespace

run_table::run_table(const workflow_registry& registry, workflow_run::log_sink log)
    : registry_(registry), log_(std::move(log)) {}

run_table::answer run_table::activate(std::string_view bytes) {
    auto read = activation_from_proto(bytes);
    const auto& a = read.value;
    answer to;
    to.run_id = a.run_id;
    to.refused = std::move(read.refused);
    to.evicted = read.evicts;
    auto run = take(a.run_id);
    if (read.evicts) {
        run.reset();
        if (read.evicts_in_error) {
            to.evicted_for = eviction_text(a);
        }
        to.completion = completion_to_proto({a.run_id, {}, {}});
        return to;
    }
    if (to.refused.empty() && starts_a_run(a)) {
        run = std::make_unique<workflow_run>(registry_, log_);
        to.built = true;
        to.replays = a.is_replaying;
    }
    if (to.refused.empty() && !run) {
        to.refused = "the run is not here: it is built again from its history";
    }
    if (!to.refused.empty()) {
        to.completion = refusal_to_proto(a.run_id, to.refused);
        return to;
    }
    const auto done = run->activate(a);
    if (done.activation_failure) {
        to.refused = done.activation_failure->message;
    }
    to.completion = completion_to_proto(done, read.updates);
    put_back(a.run_id, std::move(run));
    return to;
}

run_table::run_ptr run_table::take(const std::string& run_id) {
    const std::scoped_lock lock(mutex_);
    auto node = runs_.extract(run_id);
    return node ? std::move(node.mapped()) : nullptr;
}

void run_table::put_back(const std::string& run_id, run_ptr run) {
    const std::scoped_lock lock(mutex_);
    runs_[run_id] = std::move(run);
}

std::size_t run_table::size() const {
    const std::scoped_lock lock(mutex_);
    return runs_.size();
}

void run_table::clear() {
    std::map<std::string, run_ptr> ended;
    const std::scoped_lock lock(mutex_);
    ended.swap(runs_);
}

}  // namespace vora::durable
