#pragma once
// The coroutine type of workflow definitions, and what they may await. No Asio here: a workflow_run
// resumes these coroutines, and only from inside an activation.

#include "libs/durable/failure.hpp"

#include <nlohmann/json.hpp>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace vora::durable {

class workflow_run;
template <class T>
class workflow;

// Ends the workflow with this failure when it leaves the definition. Any other exception is a bug
// of the definition: the task is tried again and the run stays open, so that corrected code can
// take over.
class workflow_failure : public std::exception {
 public:
    explicit workflow_failure(failure f) : failure_(std::move(f)) {}
    const failure& what_failed() const { return failure_; }
    const char* what() const noexcept override { return failure_.message.c_str(); }

 private:
    failure failure_;
};

namespace detail {

// What a waiting coroutine and the run share. Either side may go first: the run forgets it when it
// is resolved, the frame goes at eviction.
struct wait_state {
    bool ready = false;
    std::coroutine_handle<> waiter;
};

struct activity_state : wait_state {
    std::uint32_t seq = 0;
    bool shielded = false;
    bool cancel_sent = false;
    outcome<std::string> value;
    outcome<std::string> take() { return value; }
};

struct timer_state : wait_state {
    std::uint32_t seq = 0;
    bool shielded = false;
    bool fired = false;
    bool take() { return fired; }
};

struct signal_state : wait_state {
    workflow_run* run = nullptr;
    std::string name;
    bool shielded = false;
    std::optional<std::string> value;
    std::optional<std::string> take() { return std::exchange(value, std::nullopt); }
};

struct condition_state : wait_state {
    workflow_run* run = nullptr;
    std::function<bool()> holds;
    bool shielded = false;
    bool held = false;
    bool take() { return held; }
};

// Before a coroutine waits: may the state be resolved at once? (run.cpp)
void look(activity_state&);
void look(timer_state&);
void look(signal_state&);
void look(condition_state&);
// The coroutine begins to wait.
void enlist(const std::shared_ptr<activity_state>&);
void enlist(const std::shared_ptr<timer_state>&);
void enlist(const std::shared_ptr<signal_state>&);
void enlist(const std::shared_ptr<condition_state>&);

template <class State>
class state_awaiter {
 public:
    explicit state_awaiter(std::shared_ptr<State> s) : state_(std::move(s)) {}
    state_awaiter(const state_awaiter&) = delete;
    ~state_awaiter() {
        if (waiting_) {
            state_->waiter = nullptr;  // the frame goes: nobody resumes it
        }
    }
    bool await_ready() {
        look(*state_);
        return state_->ready;
    }
    void await_suspend(std::coroutine_handle<> h) {
        if (state_->waiter) {
            throw std::logic_error("a durable future is awaited twice at the same time");
        }
        state_->waiter = h;
        waiting_ = true;
        enlist(state_);
    }
    auto await_resume() {
        waiting_ = false;
        return state_->take();
    }

 private:
    std::shared_ptr<State> state_;
    bool waiting_ = false;
};

struct durable_awaitable_tag {};

template <class F>
concept durable_awaitable = std::is_base_of_v<durable_awaitable_tag, std::remove_cvref_t<F>>;

}  // namespace detail

// An activity that was scheduled: runs whether or not it is awaited. May be awaited again later.
class activity_future : public detail::durable_awaitable_tag {
 public:
    explicit activity_future(std::shared_ptr<detail::activity_state> s) : state_(std::move(s)) {}
    bool ready() const { return state_->ready; }
    auto make_awaiter() const { return detail::state_awaiter<detail::activity_state>(state_); }

 private:
    friend class context;
    std::shared_ptr<detail::activity_state> state_;
};

// The same, with the result converted. A result that does not fit is the failure "bad_result".
template <class Out>
class typed_activity_future : public detail::durable_awaitable_tag {
 public:
    explicit typed_activity_future(activity_future f) : future_(std::move(f)) {}
    bool ready() const { return future_.ready(); }
    const activity_future& raw() const { return future_; }

    class awaiter {
     public:
        explicit awaiter(const activity_future& f) : inner_(f.make_awaiter()) {}
        bool await_ready() { return inner_.await_ready(); }
        void await_suspend(std::coroutine_handle<> h) { inner_.await_suspend(h); }
        outcome<Out> await_resume() {
            auto raw = inner_.await_resume();
            if (!raw) {
                return std::unexpected(std::move(raw.error()));
            }
            try {
                return nlohmann::json::parse(*raw).template get<Out>();
            } catch (const nlohmann::json::exception& e) {
                return std::unexpected(failure::application("bad_result", e.what(), true));
            }
        }

     private:
        detail::state_awaiter<detail::activity_state> inner_;
    };
    awaiter make_awaiter() const { return awaiter(future_); }

 private:
    activity_future future_;
};

// true: fired. false: the workflow was cancelled first.
class timer_future : public detail::durable_awaitable_tag {
 public:
    explicit timer_future(std::shared_ptr<detail::timer_state> s) : state_(std::move(s)) {}
    bool ready() const { return state_->ready; }
    auto make_awaiter() const { return detail::state_awaiter<detail::timer_state>(state_); }

 private:
    friend class context;
    std::shared_ptr<detail::timer_state> state_;
};

// The payload of the next signal, taken when awaited; nullopt: the workflow was cancelled first.
class signal_future : public detail::durable_awaitable_tag {
 public:
    explicit signal_future(std::shared_ptr<detail::signal_state> s) : state_(std::move(s)) {}
    bool ready() const;  // a signal is there
    auto make_awaiter() const { return detail::state_awaiter<detail::signal_state>(state_); }

 private:
    std::shared_ptr<detail::signal_state> state_;
};

// true: the condition holds. false: the workflow was cancelled first.
class condition_future : public detail::durable_awaitable_tag {
 public:
    explicit condition_future(std::shared_ptr<detail::condition_state> s) : state_(std::move(s)) {}
    auto make_awaiter() const { return detail::state_awaiter<detail::condition_state>(state_); }

 private:
    std::shared_ptr<detail::condition_state> state_;
};

namespace detail {

template <class T>
struct promise_result {
    std::optional<T> value;
    template <class U>
        requires std::is_convertible_v<U&&, T>
    void return_value(U&& v) {
        value.emplace(std::forward<U>(v));
    }
    T take() { return std::move(*value); }
};

template <>
struct promise_result<void> {
    void return_void() {}
    void take() {}
};

}  // namespace detail

// Lazy, owned by one. Awaited as a temporary or by std::move: `auto r = co_await encode_all(ctx,
// plan);`
template <class T>
class [[nodiscard]] workflow {
 public:
    struct promise_type;
    using handle = std::coroutine_handle<promise_type>;

    struct promise_type : detail::promise_result<T> {
        std::coroutine_handle<> continuation;
        std::exception_ptr exception;

        workflow get_return_object() { return workflow(handle::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct final_awaiter {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(handle h) noexcept {
                auto next = h.promise().continuation;
                return next ? next : std::noop_coroutine();
            }
            void await_resume() noexcept {}
        };
        final_awaiter final_suspend() noexcept { return {}; }
        void unhandled_exception() { exception = std::current_exception(); }

        template <detail::durable_awaitable F>
        auto await_transform(F&& f) {
            return f.make_awaiter();
        }
        template <class U>
        auto await_transform(workflow<U>&& w) {
            return typename workflow<U>::awaiter(std::move(w));
        }
        template <class U>
            requires(!detail::durable_awaitable<U>)
        void await_transform(U&&) = delete;  // a workflow waits for durable things only
    };

    class awaiter {
     public:
        explicit awaiter(workflow w) : inner_(std::move(w)) {}
        bool await_ready() const { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) {
            inner_.handle_.promise().continuation = h;
            return inner_.handle_;
        }
        T await_resume() { return inner_.take(); }

     private:
        workflow inner_;
    };

    workflow() = default;
    workflow(workflow&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    workflow& operator=(workflow&& other) noexcept {
        if (this != &other) {
            destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~workflow() { destroy(); }

 private:
    friend class workflow_run;
    explicit workflow(handle h) : handle_(h) {}
    void destroy() {
        if (handle_) {
            std::exchange(handle_, nullptr).destroy();
        }
    }
    T take() {
        auto& promise = handle_.promise();
        if (promise.exception) {
            std::rethrow_exception(std::exchange(promise.exception, nullptr));
        }
        return promise.take();
    }

    handle handle_;
};

}  // namespace vora::durable
