#pragma once
// Our failures <-> Temporal's, both ways, with their chains of causes.

#include "libs/durable/failure.hpp"

#include <temporal/api/failure/v1/message.pb.h>

namespace vora::durable {

// What comes from outside (a child's last words) is cut: the history takes a bounded part.
temporal::api::failure::v1::Failure to_proto(const failure& f);

// Kinds that Vora does not make become application failures whose type names them
// ("server_failure", "child_workflow_failure", ...), so that nothing is lost and a policy can
// match.
failure from_proto(const temporal::api::failure::v1::Failure& f);

}  // namespace vora::durable
