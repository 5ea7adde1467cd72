#pragma once
// The interpreter of one workflow run: activation in, completion out. It has no clock, no random
// source, no thread and no I/O, so the same activations always give the same commands. What an
// engine owes it: one activation at a time, in order, each answered; after an activation failure
// the run is thrown away and built again. Destroying it, or remove_from_cache, ends all frames
// without a command.

#include "libs/durable/workflow/activation.hpp"
#include "libs/durable/workflow/workflow.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vora::durable {

class workflow_run {
 public:
    // Lines of ctx.log, already without those of replays.
    using log_sink = std::function<void(const std::string& workflow_id, const std::string& event,
                                        const std::string& detail)>;

    // The registry outlives the run.
    explicit workflow_run(const workflow_registry& registry, log_sink log = {});
    ~workflow_run();
    workflow_run(const workflow_run&) = delete;

    completion activate(const activation& a);
    bool closed() const { return closed_; }

 private:
    friend class context;
    friend class context::cancellation_shield;
    friend class signal_future;
    friend void detail::look(detail::signal_state&);
    friend void detail::look(detail::condition_state&);
    friend void detail::enlist(const std::shared_ptr<detail::signal_state>&);
    friend void detail::enlist(const std::shared_ptr<detail::condition_state>&);

    void apply(const job::initialize_workflow& j);
    void apply(const job::fire_timer& j);
    void apply(const job::update_random_seed& j);
    void apply(const job::query_workflow& j);
    void apply(const job::cancel_workflow& j);
    void apply(const job::signal_workflow& j);
    void apply(const job::resolve_activity& j);
    void apply(const job::notify_has_patch& j);
    void apply(const job::remove_from_cache& j);
    void activate_or_throw(const activation& a);
    void pass_on_cancellation();
    void run_until_blocked();
    void wake_conditions();
    void finish();
    void evict();

    void resolve(const std::shared_ptr<detail::wait_state>& s);
    void emit(workflow_command c);
    bool shielded() const { return *shields_ > 0; }
    bool cancellation_reaches(bool was_shielded) const { return cancelled_ && !was_shielded; }
    std::uint64_t next_random();

    const workflow_registry& registry_;
    log_sink log_;
    context context_{*this};
    std::string workflow_id_;
    timestamp now_;
    bool replaying_ = false;
    bool cancelled_ = false;
    bool cancellation_passed_ = false;
    bool closed_ = false;
    bool broken_ = false;
    bool querying_ = false;
    std::uint64_t random_ = 0;
    std::uint32_t next_timer_seq_ = 1;
    std::uint32_t next_activity_seq_ = 1;
    std::vector<workflow_command> commands_;
    std::vector<std::shared_ptr<void>> kept_;  // destroyed after the frames, which may refer to it
    std::map<std::string, std::function<std::string(std::string)>> queries_;
    std::map<std::uint32_t, std::shared_ptr<detail::timer_state>> timers_;
    std::map<std::uint32_t, std::shared_ptr<detail::activity_state>> activities_;
    std::map<std::string, std::deque<std::string>> signals_;  // that nobody has taken yet
    std::vector<std::shared_ptr<detail::signal_state>> signal_waiters_;
    std::vector<std::shared_ptr<detail::condition_state>> conditions_;
    std::deque<std::shared_ptr<detail::wait_state>> ready_;  // resumed in this order
    std::map<std::string, bool> patches_;                    // answers given
    std::set<std::string> patches_notified_;
    std::shared_ptr<int> shields_ = std::make_shared<int>(0);
    workflow<outcome<std::string>> root_;
    bool root_fresh_ = false;
};

}  // namespace vora::durable
