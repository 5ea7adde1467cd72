#pragma once
// What an account that only reads may ask: questions about tables. The engine itself has one user,
// who may call functions that read files or reach other machines, so the text is looked at first.
// Only a plain subset of SQL is taken, where no reading of the text but one is possible: comments,
// heredocs and bytes that are not ASCII outside of quotes, and escapes in quoted names are refused.

#include "services/event_engine/core/sql_engine.hpp"

#include <set>
#include <string>
#include <string_view>

namespace vora::event_engine {

class reader_rules {
 public:
    // Lower-case names of the engine's table functions: file, url, remote, ...
    explicit reader_rules(std::set<std::string> table_functions);

    // Code 497 (ACCESS_DENIED): a function that reaches beyond tables, the database "default"
    // (which is the file system there), names bound as parameters, or a SETTINGS clause.
    sql_result<void> check(std::string_view sql) const;

 private:
    std::set<std::string> forbidden_;
};

// Where a reader's statements run unless they name a database: one that is there in every engine,
// and has no files.
inline constexpr std::string_view reader_database = "system";

}  // namespace vora::event_engine
