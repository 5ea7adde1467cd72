#pragma once
// coresdk.workflow_activation -> activation, completion -> coresdk.workflow_completion, both as
// bytes, so that nobody else sees protobuf.

#include "libs/durable/workflow/activation.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vora::durable {

struct read_activation {
    activation value;  // its run_id is set whenever the bytes could be read at all
    // Why it cannot be applied: the run is failed with this text, and core builds it again.
    std::string refused;
    bool evicts = false;           // remove_from_cache is among the jobs
    bool evicts_in_error = false;  // because core found the run's commands or history wrong
    // Updates nobody handles: each is answered with a rejection, so that one sent by hand cannot
    // hold up a run.
    std::vector<std::string> updates;
};

read_activation activation_from_proto(std::string_view bytes);

// The answer to an activation, with rejections of its updates.
std::string completion_to_proto(const completion& done,
                                const std::vector<std::string>& updates = {});

// The answer to an activation that was not applied.
std::string refusal_to_proto(const std::string& run_id, const std::string& why);

}  // namespace vora::durable
