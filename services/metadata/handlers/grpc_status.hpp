#pragma once
// Refusals as gRPC gives them: the status by libs/rpc's table, and a google.rpc.Status whose
// details are ErrorInfo (domain "vora", reason = REST's code in upper case), BadRequest, RetryInfo.

#include "libs/base/result.hpp"
#include "libs/rpc/server.hpp"
#include "services/metadata/handlers/input.hpp"

namespace vora::metadata {

rpc::answer refusal_of(const rpc::call& c, const error& e);
rpc::answer refusal_of(const rpc::call& c, const bad_input& e);

}  // namespace vora::metadata
