#include "services/metadata/adapters/postgres_video_repository.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/post.hpp"
#include "services/metadata/adapters/postgres_connection.hpp"
#include "services/metadata/adapters/postgres_listener.hpp"
#include "services/metadata/adapters/postgres_migrations.hpp"
#include "services/metadata/adapters/postgres_watchdog.hpp"
#include "services/metadata/adapters/sql_transaction.hpp"

#include <atomic>
#include <mutex>
#include <thread>

namespace vora::metadata {

namespace {

// Waiting calls beyond this are refused: they would only time out later.
constexpr std::size_t calls_waiting_max = 1'024;
constexpr int rounds_max = 5;
constexpr milliseconds rerun_pause{5};
constexpr const char* channel = "vora_video_changed";

std::unexpected<error> overloaded() {
    return fail(errc::unavailable, "database_overloaded", "too many calls at once");
}

}  // namespace

struct postgres_video_repository::state {
    state(const std::string& url, postgres_options o)
        : options(o), target(parse_postgres_url(url)) {
        if (target) {
            const auto limit = std::to_string(options.patience.count());
            add_setting(*target, "statement_timeout", limit);
            add_setting(*target, "lock_timeout", limit);
            // Of a process that was stopped in the middle: its rows become free again.
            add_setting(*target, "idle_in_transaction_session_timeout", "10000");
            add_setting(*target, "default_transaction_isolation", "read\\ committed");
        }
    }

    using work = std::function<result<void>(postgres_connection&)>;

    // On a thread. `f` runs again after a lost race, and on a new connection when the idle one that
    // it was given turns out to be lost (the server was started again meanwhile).
    result<void> run(deadline_point deadline, const work& f) {
        std::optional<error> last;
        for (int round = 1;; ++round) {
            if (std::chrono::steady_clock::now() >= deadline) {
                return fail(last.value_or(error{errc::unavailable, "database_unavailable",
                                                "the database does not answer in time"}));
            }
            std::unique_ptr<postgres_connection> connection;
            bool was_idle = false;
            try {
                connection = take_idle();
                was_idle = connection != nullptr;
                if (!connection) {
                    connection = connect(deadline);
                }
                auto done = run_guarded(*connection, deadline, f);
                give_back(std::move(connection));
                return done;
            } catch (const sql_failure& e) {
                last = e.what_failed;
                if (e.broken) {
                    forget_idle();
                } else if (connection) {
                    give_back(std::move(connection));
                }
                const bool again = e.rerun || (e.broken && was_idle);
                if (!again || round == rounds_max) {
                    return fail(e.what_failed);
                }
                if (e.rerun) {
                    std::this_thread::sleep_for(rerun_pause * round);
                }
            } catch (const std::exception& e) {
                return fail(errc::data_loss, "database_damaged", e.what());
            }
        }
    }

    result<void> run_guarded(postgres_connection& c, deadline_point deadline, const work& f) {
        const postgres_watchdog::guard guard(watchdog, c.socket(), deadline);
        return f(c);
    }

    std::unique_ptr<postgres_connection> connect(deadline_point deadline) {
        auto made = std::make_unique<postgres_connection>(*target, host, deadline);
        host = made->host();
        return made;
    }

    std::unique_ptr<postgres_connection> take_idle() {
        const std::lock_guard lock(mutex);
        if (idle.empty()) {
            return nullptr;
        }
        auto connection = std::move(idle.back());
        idle.pop_back();
        return connection;
    }

    void give_back(std::unique_ptr<postgres_connection> connection) {
        if (connection->is_open()) {
            const std::lock_guard lock(mutex);
            idle.push_back(std::move(connection));
        }
    }

    // When one is lost, so are probably the others.
    void forget_idle() {
        std::vector<std::unique_ptr<postgres_connection>> closed;
        const std::lock_guard lock(mutex);
        closed.swap(idle);
    }

    result<void> transact(deadline_point deadline, const transaction_body& body,
                          std::vector<video_id>& updated) {
        return run(deadline, [&](postgres_connection& c) -> result<void> {
            postgres_session session(c);  // rolls back what is not committed
            session.begin();
            sql_transaction t(session);
            auto done = body(t);
            if (t.trouble()) {
                throw sql_failure(*t.trouble());
            }
            if (!done) {
                return done;
            }
            updated = t.updated();
            for (const auto& id : updated) {
                session.query("SELECT pg_notify(?, ?)",
                              {std::string(channel), name + ":" + id.value});
            }
            try {
                session.commit();
            } catch (const sql_failure& e) {
                if (e.rerun) {
                    throw;
                }
                return fail(e.what_failed);  // done or not: never run again
            }
            return {};
        });
    }

    deadline_point deadline() const { return std::chrono::steady_clock::now() + options.patience; }

    postgres_options options;
    result<postgres_target> target;
    const std::string name = random_hex(8);  // tells our own notices from those of others
    postgres_watchdog watchdog;
    std::atomic<std::size_t> host = 0;  // the one that answered last
    std::mutex mutex;
    std::vector<std::unique_ptr<postgres_connection>> idle;
    std::size_t waiting = 0;  // used by the loop only
};

struct postgres_video_repository::listening {
    postgres_listener listener;
};

postgres_video_repository::postgres_video_repository(executor ex, const std::string& url,
                                                     postgres_options options)
    : ex_(std::move(ex)),
      state_(std::make_shared<state>(url, options)),
      threads_(options.connections) {}

postgres_video_repository::~postgres_video_repository() {
    *alive_ = false;
}

result<void> postgres_video_repository::open() {
    auto& s = *state_;
    if (!s.target) {
        return fail(s.target.error());
    }
    const auto deadline = std::chrono::steady_clock::now() + s.options.open_patience;
    auto opened = s.run(deadline, [&](postgres_connection& c) -> result<void> {
        auto migrated = migrate(c);
        if (migrated && postgres_session(c)
                            .query("SELECT current_setting('synchronous_commit') = 'off'", {})
                            .at(0)
                            .flag(0)) {
            // What is answered is on disk.
            add_setting(*s.target, "synchronous_commit", "on");
        }
        return migrated;
    });
    s.forget_idle();  // the setting is for connections to come
    if (!opened) {
        return opened;
    }
    // The listener's thread knows nothing of the loop's objects but this.
    const auto on_loop = [this, ex = ex_, alive = alive_](auto f) {
        post_to(ex, [this, alive, f = std::move(f)] {
            if (*alive) {
                f(*this);
            }
        });
    };
    postgres_listener::ears ears;
    ears.heard = [on_loop](std::string said) {
        on_loop([said = std::move(said)](const postgres_video_repository& r) { r.hear(said); });
    };
    ears.missed = [on_loop] {
        on_loop([](const postgres_video_repository& r) { r.tell_missed(); });
    };
    listening_.reset(new listening{{*s.target, channel, s.watchdog, std::move(ears)}});
    return {};
}

void postgres_video_repository::hear(const std::string& said) const {
    const auto colon = said.find(':');
    if (colon != std::string::npos && said.substr(0, colon) != state_->name) {
        tell_updated(video_id{said.substr(colon + 1)});
    }
}

namespace {

struct waiting_count {
    std::size_t& n;
    explicit waiting_count(std::size_t& count) : n(count) { ++n; }
    ~waiting_count() { --n; }
};

}  // namespace

task<result<void>> postgres_video_repository::in_transaction(transaction_body body) {
    auto s = state_;
    if (s->waiting >= calls_waiting_max) {
        co_return overloaded();
    }
    const waiting_count counted(s->waiting);
    const auto updated = std::make_shared<std::vector<video_id>>();
    auto done = co_await threads_.run([s, updated, until = s->deadline(), b = std::move(body)] {
        return s->transact(until, b, *updated);
    });
    for (const auto& id : *updated) {
        tell_updated(id);
    }
    co_return done;
}

task<result<void>> postgres_video_repository::read(reading f) {
    auto s = state_;
    if (s->waiting >= calls_waiting_max) {
        co_return overloaded();
    }
    const waiting_count counted(s->waiting);
    auto done = co_await threads_.run([s, until = s->deadline(), f = std::move(f)] {
        return s->run(until, [&](postgres_connection& c) -> result<void> {
            postgres_session session(c);
            f(session);
            return {};
        });
    });
    co_return done;
}

}  // namespace vora::metadata
