#pragma once
// The loop, the pool for blocking calls, groups of coroutines, deadlines. One thread runs the loop,
// so handlers and cores need no locks among themselves; what blocks goes to the pool.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

namespace vora {

using executor = boost::asio::any_io_executor;

// Threads for calls that block (files, SQLite, waiting for a child). Bounded by its thread count;
// work beyond it queues in order. Outlives every coroutine that uses it.
class blocking_pool {
 public:
    explicit blocking_pool(std::size_t threads);
    ~blocking_pool();
    blocking_pool(const blocking_pool&) = delete;

    // Runs f on a pool thread and resumes on the caller's executor. f's exceptions arrive here.
    template <class F>
    task<std::invoke_result_t<F>> run(F f) {
        using R = std::invoke_result_t<F>;
        // A cancellation must not reach the pool's thread: f runs to its end, the caller's next
        // wait throws.
        co_return co_await boost::asio::co_spawn(
            pool_.get_executor(), [f = std::move(f)]() mutable -> task<R> { co_return f(); },
            boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                                boost::asio::use_awaitable));
    }
    void post(std::function<void()> f);
    void join();

 private:
    boost::asio::thread_pool pool_;
};

// The loop of a process (or of a test). run() blocks until stop().
class event_loop {
 public:
    event_loop();
    ~event_loop();
    event_loop(const event_loop&) = delete;

    vora::executor executor();
    void run();
    void stop();  // any thread
    // Tests and main: runs the loop on this thread until the coroutine is done; its exception
    // arrives here.
    template <class T>
    T run_until_done(task<T> t);

 private:
    struct state;
    void run_until(const bool& done);
    std::unique_ptr<state> state_;
};

// Coroutines of one owner. stop() cancels all and waits for them; the destructor requires that none
// run.
class task_group {
 public:
    explicit task_group(executor ex);
    ~task_group();
    task_group(const task_group&) = delete;

    // Starts t now-ish on the group's executor. An exception other than cancellation is passed to
    // on_error (default: abort with its text: what must not happen).
    void spawn(task<> t);
    void on_error(std::function<void(const std::string& what)> f);
    std::size_t size() const;
    // Cancels every coroutine (their next wait throws operation_aborted) and waits for all to end.
    task<> stop();
    // Waits for all to end by themselves.
    task<> join();

 private:
    struct state;
    std::shared_ptr<state> state_;
};

// The executor that the calling coroutine runs on.
task<executor> current_executor();

// Throws boost::system::system_error (operation_aborted) when the coroutine is cancelled.
task<> sleep_for(std::chrono::milliseconds duration);

// Ends t after `limit` with deadline_exceeded ("deadline_exceeded"). t is cancelled, not abandoned.
template <class T>
task<result<T>> with_deadline(task<result<T>> t, std::chrono::milliseconds limit);

// One-shot or repeated wake-up between coroutines of one loop: wait() returns when notify() was
// called since the last wait, or after `limit` (false).
class wake_signal {
 public:
    explicit wake_signal(executor ex);
    ~wake_signal();
    void notify();
    task<bool> wait(std::chrono::milliseconds limit);

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace vora

#include "libs/base/async_inline.hpp"
