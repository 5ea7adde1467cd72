#pragma once
// The schema of PostgreSQL, by numbered migrations. Private to the adapter.

#include "services/metadata/adapters/postgres_connection.hpp"

namespace vora::metadata {

// Brings the schema up to date: all that is missing in one transaction, under an advisory lock, so
// that replicas may start together. A schema that is up to date is only looked at: no rights beyond
// reading are needed. failed_precondition ("database_too_new") for one of a later program. Throws
// sql_failure.
result<void> migrate(postgres_connection& connection);
// Only looks: not_found ("database_missing"), failed_precondition ("database_too_new",
// "database_too_old"). Throws sql_failure.
result<void> check_schema(postgres_connection& connection);

}  // namespace vora::metadata
