#include "libs/auth/key_ring.hpp"

#include "libs/auth/key_file.hpp"
#include "libs/auth/private_file.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>

namespace vora::auth {

namespace {

// The number of "k12"; ids that are not ours stand before all of ours.
std::uint64_t number_of(std::string_view id) {
    return id.starts_with('k') ? parse_uint(id.substr(1)).value_or(0) : 0;
}

std::vector<std::string> oldest_first(const detail::key_file& f) {
    std::vector<std::string> ids;
    for (const auto& [id, key] : f.keys) {
        ids.push_back(id);
    }
    std::ranges::sort(ids, {}, [](const std::string& id) { return std::pair(number_of(id), id); });
    return ids;
}

// Reads the file, lets `change` work on it and puts the result in its place, alone.
template <class Change>
result<void> rewrite(const std::string& path, Change change) {
    const auto lock = detail::lock_private_file(path);
    if (!lock) {
        return fail(lock.error());
    }
    auto file = detail::read_key_file(path);
    if (!file) {
        return fail(file.error());
    }
    if (auto changed = change(*file); !changed) {
        return changed;
    }
    return detail::replace_private_file(path, detail::print_key_file(*file));
}

}  // namespace

result<key_rotation> rotate_grant_keys(const std::string& path, timestamp now) {
    key_rotation done;
    auto written = rewrite(path, [&](detail::key_file& f) -> result<void> {
        const auto ids = oldest_first(f);
        const std::string before = f.signing_at(now);
        done.signing = "k" + std::to_string(number_of(ids.back()) + 1);
        done.signs_from = now + grant_key_lead;
        f.keys[done.signing] = random_hex(32);
        f.signing = done.signing;
        f.signing_before = before;
        f.signing_from = done.signs_from;
        for (const auto& id : ids) {
            if (f.keys.size() > grant_keys_live_max && id != before) {
                f.keys.erase(id);
                done.dropped.push_back(id);
            }
        }
        done.live = oldest_first(f);
        return {};
    });
    if (!written) {
        return fail(written.error());
    }
    return done;
}

result<void> remove_grant_key(const std::string& path, const std::string& id, timestamp now) {
    return rewrite(path, [&](detail::key_file& f) -> result<void> {
        if (!f.keys.contains(id)) {
            return fail(errc::not_found, "no_such_key", "there is no grant key " + id);
        }
        if (id == f.signing || id == f.signing_at(now)) {
            return fail(errc::failed_precondition, "key_signs",
                        id + " signs new grants: rotate first");
        }
        f.keys.erase(id);
        if (f.signing_before == id) {
            f.signing_before.clear();
        }
        return {};
    });
}

result<grant_key_ids> list_grant_keys(const std::string& path, timestamp now) {
    const auto file = detail::read_key_file(path);
    if (!file) {
        return fail(file.error());
    }
    return grant_key_ids{file->signing_at(now), oldest_first(*file)};
}

grant_key_watch::grant_key_watch(executor ex, blocking_pool& pool, grant_keys keys,
                                 const clock_source& clock, options o)
    : pool_(pool),
      keys_(std::move(keys)),
      clock_(clock),
      options_(std::move(o)),
      group_(std::move(ex)) {}

void grant_key_watch::start() {
    group_.spawn(run());
}

task<> grant_key_watch::stop() {
    co_await group_.stop();
}

task<> grant_key_watch::run() {
    bool failing = false;
    for (;;) {
        co_await sleep_for(options_.interval);
        auto file =
            co_await pool_.run([path = options_.path] { return detail::read_key_file(path); });
        if (!file) {
            if (!failing && options_.on_failure) {
                options_.on_failure(file.error());
            }
            failing = true;
            continue;
        }
        failing = false;
        if (keys_.adopt(*file, clock_.now()) && options_.on_change) {
            options_.on_change(keys_);
        }
    }
}

}  // namespace vora::auth
