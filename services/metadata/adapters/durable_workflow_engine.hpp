#pragma once
// The workflow engine through libs/durable: ids, types and payloads of
// contracts/activities/workflows.hpp. Every call has a deadline; an engine that does not answer is
// away.

#include "libs/durable/client.hpp"
#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

// What each run is told to keep to.
struct ingest_limits {
    std::int64_t duration_max_s = 0;
    std::int64_t pixels_max = 0;
    double cpu_factor_max = 0;
    std::int64_t retry_budget_s = 0;
};

class durable_workflow_engine final : public workflow_engine {
 public:
    durable_workflow_engine(durable::client& engine, ingest_limits limits);

    task<result<void>> start_ingest(outbox_message m) override;
    task<result<void>> start_delete(outbox_message m) override;
    task<result<void>> cancel_ingest(video_id id, std::int64_t generation) override;
    task<result<run_view>> describe_ingest(video_id id, std::int64_t generation) override;
    task<result<run_view>> describe_delete(video_id id, std::int64_t attempt) override;

 private:
    task<result<void>> start(durable::start_request r);
    task<result<run_view>> describe(std::string workflow_id);

    durable::client& engine_;
    ingest_limits limits_;
};

std::string ingest_workflow_id(const video_id& id, std::int64_t generation);
std::string delete_workflow_id(const video_id& id, std::int64_t attempt);
// What a running run's activities say of its progress.
ingest_progress progress_of_run(const durable::run_description& run);

}  // namespace vora::metadata
