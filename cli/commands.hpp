#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace vora::cli {

// Adds the verbs that talk to a server: upload, videos, token, studio, workflows. `exit_code` is
// set when one ran.
class commands {
 public:
    commands(CLI::App& app, int& exit_code);
    ~commands();

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora::cli
