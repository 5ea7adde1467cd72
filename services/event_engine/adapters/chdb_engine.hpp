#pragma once
// The engine as a library, in this process. One storage path per process; a connection runs one
// statement at a time, so each of our few threads has one of its own.
//
// The library's traps, and what is done about each:
//  - it takes signals: told not to, before the first connection;
//  - inline data of an INSERT ends at an empty line, what follows is run: rows go through its
//    insert stream only, which has no text to end;
//  - a running statement cannot be stopped: each has max_execution_time;
//  - its shutdown does not return: connections are closed, then the process ends.

#include "services/event_engine/adapters/chdb_library.hpp"
#include "services/event_engine/core/sql_engine.hpp"

#include <cstddef>
#include <memory>
#include <string>

namespace vora::event_engine {

class chdb_store;

// Opens libchdb and the path, which is made if it is not there. unavailable
// ("event_engine_library", "event_engine_storage": another process has it, or it is damaged).
result<std::shared_ptr<chdb_store>> open_store(const std::string& library, const std::string& path);

// One connection; calls from one thread at a time.
result<std::unique_ptr<sql_engine>> connect(std::shared_ptr<chdb_store> store);

}  // namespace vora::event_engine
