#pragma once
// The runs that are cached, and what an activation does to them. No core and no threads of its own:
// bytes in, bytes out. Core gives one activation of a run at a time, those of several runs at once.

#include "libs/durable/engine_temporal/workflow_worker/activation_proto.hpp"
#include "libs/durable/workflow/run.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace vora::durable {

class run_table {
 public:
    // The registry outlives the table.
    run_table(const workflow_registry& registry, workflow_run::log_sink log);

    struct answer {
        std::string completion;  // for core, in any case
        std::string run_id;
        std::string refused;   // not applied, or failed in the definition: why
        bool built = false;    // the run was not there before
        bool replays = false;  // it is built from its history: it has been elsewhere, or evicted
        bool evicted = false;
        std::string evicted_for;  // set when core found the run's commands or history wrong
    };
    answer activate(std::string_view activation);

    std::size_t size() const;
    void clear();

 private:
    using run_ptr = std::unique_ptr<workflow_run>;
    run_ptr take(const std::string& run_id);
    void put_back(const std::string& run_id, run_ptr run);

    const workflow_registry& registry_;
    workflow_run::log_sink log_;
    mutable std::mutex mutex_;
    std::map<std::string, run_ptr> runs_;  // without those that work just now
};

}  // namespace vora::durable
