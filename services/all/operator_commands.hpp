#pragma once
// The verbs that look at a data directory themselves: doctor, fsck, config.

#include <memory>

namespace CLI {
class App;
}

namespace vora::all {

class operator_commands {
 public:
    // `exit_code` is set when one ran.
    operator_commands(CLI::App& app, int& exit_code);
    ~operator_commands();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::all
