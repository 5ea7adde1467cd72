#include "libs/durable/engine_embedded/store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

namespace vora::durable {

namespace {

constexpr std::size_t batch_max = 256;

std::unexpected<error> store_failed(const std::string& why) {
    return fail(errc::unavailable, "workflow_store_failed", why);
}

}  // namespace

store::store(executor ex, blocking_pool& pool, std::string path)
    : pool_(pool), path_(std::move(path)), wake_(ex) {}

store::~store() = default;

task<result<void>> store::open() {
    auto opened = co_await pool_.run([this]() -> result<void> {
        try {
            db_ = std::make_unique<SQLite::Database>(path_,
                                                     SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
            db_->setBusyTimeout(5'000);
            db_->exec("PRAGMA journal_mode=WAL");
            db_->exec("PRAGMA synchronous=FULL");
            db_->exec("PRAGMA foreign_keys=ON");
            sql::migrate(*db_);
            return {};
        } catch (const std::exception& e) {
            db_.reset();
            return store_failed(e.what());
        }
    });
    co_return opened;
}

void store::submit(work w, callback done) {
    if (abandoned_) {
        return;
    }
    queue_.push_back({std::move(w), std::move(done)});
    wake_.notify();
}

task<> store::run() {
    for (;;) {
        if (queue_.empty()) {
            if (finishing_ || abandoned_) {
                break;
            }
            co_await wake_.wait(std::chrono::hours(1));
            continue;
        }
        std::vector<item> batch;
        while (!queue_.empty() && batch.size() < batch_max) {
            batch.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        committing_ = true;
        auto results = co_await pool_.run([this, &batch] { return commit(batch); });
        committing_ = false;
        for (std::size_t i = 0; i < batch.size() && !abandoned_; ++i) {
            batch[i].done(std::move(results[i]));
        }
    }
    co_await pool_.run([this] { db_.reset(); });
}

void store::finish() {
    finishing_ = true;
    wake_.notify();
}

void store::abandon() {
    abandoned_ = true;
    queue_.clear();
    wake_.notify();
}

std::vector<result<void>> store::commit(std::vector<item>& batch) {
    std::vector<result<void>> results(batch.size());
    try {
        SQLite::Transaction whole(*db_, SQLite::TransactionBehavior::IMMEDIATE);
        for (auto& one : batch) {
            one.run(*db_);
        }
        whole.commit();
        return results;
    } catch (const std::exception& e) {
        if (batch.size() == 1) {
            results[0] = store_failed(e.what());
            return results;
        }
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
        try {
            SQLite::Transaction alone(*db_, SQLite::TransactionBehavior::IMMEDIATE);
            batch[i].run(*db_);
            alone.commit();
        } catch (const std::exception& e) {
            results[i] = store_failed(e.what());
        }
    }
    return results;
}

}  // namespace vora::durable
