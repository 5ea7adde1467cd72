#pragma once
// Takes an INSERT apart into statement, format and data, so that data never reaches the SQL parser:
// the engine's parser ends inline data at an empty line and runs what follows as SQL.

#include <optional>
#include <string>
#include <string_view>

namespace vora::event_engine {

struct insert_text {
    std::string head;       // "INSERT INTO t (a, b) SETTINGS x = 1"
    std::string format;     // empty: the text names none
    std::string_view data;  // what follows, in the caller's text
    // INSERT ... SELECT: a statement without data, run like any other.
    bool selects = false;
    // FROM INFILE, or a SELECT with data behind it: never run.
    bool refused = false;
};

// nullopt: no INSERT. `text` may hold any bytes after the format.
std::optional<insert_text> take_apart(std::string_view text);

}  // namespace vora::event_engine
