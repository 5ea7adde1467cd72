#pragma once
// A program beside us that we talk to through pipes. It dies with this process, whatever ends it;
// programs that run to their end under limits are the worker's (adapters/child_process.hpp).

#include "libs/base/result.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace vora::all {

struct child_plan {
    std::string program;  // path
    std::vector<std::string> arguments;
    std::vector<std::string> environment;  // "NAME=value", all of it
    std::string directory;
    std::string errors_file;  // stderr is appended there
    int priority = 0;         // added to ours, as nice does
};

// One child in a process group of its own. Spawn and destroy on the loop's thread: the kernel ends
// the child with the thread that started it.
class child {
 public:
    // unavailable ("child_not_started").
    static result<child> spawn(const child_plan& plan);
    child() = default;
    child(child&& other) noexcept;
    child& operator=(child&& other) noexcept;
    ~child();  // kills it if it runs, and waits

    pid_t pid() const { return pid_; }
    int output() const { return out_; }  // its stdout, non-blocking, ours to read
    int take_output();                   // the same, and the caller closes it
    bool write_input(const std::string& text);
    void close_input();
    void send(int signal);  // to its group, while it runs
    // True once it has ended (or never ran); its exit code or the negative signal is in exit().
    bool ended();
    int exit() const { return exit_; }

 private:
    void close_all();
    pid_t pid_ = -1;
    int in_ = -1;
    int out_ = -1;
    int exit_ = 0;
};

// The path of a program that PATH names, "" when there is none.
std::string find_program(const std::string& name);

}  // namespace vora::all
