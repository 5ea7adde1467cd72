#pragma once
// The one place where a URL becomes a repository: "sqlite:PATH" or "postgresql://...".

#include "libs/base/async.hpp"
#include "services/metadata/adapters/sql_video_repository.hpp"

#include <memory>
#include <string>

namespace vora::metadata {

// Nothing is opened yet. invalid_argument ("bad_database_url"): another scheme, or PostgreSQL in a
// build without it. The text quotes nothing of the URL, since there may be a password in it.
result<std::unique_ptr<sql_video_repository>> make_repository(executor ex, blocking_pool& pool,
                                                              const std::string& url,
                                                              std::size_t connections);

// A look from outside, for tools: blocks, changes nothing. Can the service work with it? not_found
// ("database_missing"), unavailable ("database_locked": somebody holds the file for a second,
// "database_read_only", "database_unavailable"), failed_precondition ("database_too_new",
// "database_too_old": the service has not been there since it was updated), data_loss
// ("database_damaged"), invalid_argument ("bad_database_url").
result<void> inspect_repository(const std::string& url);

}  // namespace vora::metadata
