#pragma once
// The video repository in one SQLite file. Transactions run one after the other on a thread of
// their own with the one writing connection (BEGIN IMMEDIATE, so a read inside holds the row);
// reads run on the shared pool, each on an idle reading connection, and see the last commit. A
// locked, full or unreadable file is unavailable ("database_unavailable") and heals by itself;
// nothing is kept in memory.

#include "libs/base/async.hpp"
#include "services/metadata/adapters/sql_video_repository.hpp"

#include <memory>
#include <string>

namespace vora::metadata {

class sqlite_video_repository final : public sql_video_repository {
 public:
    // Nothing is opened before open().
    sqlite_video_repository(blocking_pool& readers, std::string path);
    ~sqlite_video_repository() override;

    // Creates the file.
    result<void> open() override;
    task<result<void>> in_transaction(transaction_body body) override;

 protected:
    task<result<void>> read(reading f) override;

 private:
    struct state;
    std::shared_ptr<state> state_;
    blocking_pool writing_{1};  // last: joined before anything it works on goes
};

// The path of "sqlite:PATH"; invalid_argument ("bad_database_url") for any other URL.
result<std::string> sqlite_path(const std::string& url);

}  // namespace vora::metadata
