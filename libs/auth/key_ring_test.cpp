#include "libs/auth/key_ring.hpp"

#include "libs/base/crypto.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace vora::auth {
namespace {

class settable_clock final : public clock_source {
 public:
    timestamp now() const override { return now_; }
    timestamp now_{seconds(1'800'000'000)};
};

struct key_ring : testing::Test {
    std::filesystem::path dir =
        std::filesystem::temp_directory_path() / ("vora-keys-" + random_hex(8));
    std::string path = dir / "grants.json";
    settable_clock clock;
    const std::string video = "6d4d9c5e-4c0f-4a86-9f0c-3f3f3b7a2f10";

    key_ring() {
        std::filesystem::create_directories(dir);
        EXPECT_TRUE(grant_keys::load_or_create(path));
    }
    ~key_ring() override { std::filesystem::remove_all(dir); }

    grant_keys load() { return grant_keys::load_or_create(path).value(); }
    key_rotation rotate() { return rotate_grant_keys(path, clock.now()).value(); }
    // When the one before has begun to sign.
    key_rotation rotate_later() {
        clock.now_ += grant_key_lead;
        return rotate();
    }
    std::string sign_with(const grant_keys& keys) {
        return sign(keys, playback_grant{video, clock.now() + 1h, 0});
    }
    bool verifies(const grant_keys& keys, const std::string& grant) {
        return verify_playback_grant(keys, grant, video, clock.now()).has_value();
    }
};

TEST_F(key_ring, what_older_keys_signed_stays_good_until_three_others_came) {
    clock.now_ = from_unix_ms(1'000'000);  // the leads of these rotations lie in the past
    const auto first = sign_with(load());
    EXPECT_TRUE(first.starts_with("k1."));
    EXPECT_EQ(rotate_later().live, (std::vector<std::string>{"k1", "k2"}));
    const auto second = sign_with(load());
    EXPECT_TRUE(second.starts_with("k2."));
    EXPECT_TRUE(verifies(load(), first));
    EXPECT_TRUE(rotate_later().dropped.empty());
    EXPECT_TRUE(verifies(load(), first));
    const auto third = rotate_later();
    EXPECT_EQ(third.live, (std::vector<std::string>{"k2", "k3", "k4"}));
    EXPECT_EQ(third.dropped, std::vector<std::string>{"k1"});
    EXPECT_FALSE(verifies(load(), first));
    EXPECT_TRUE(verifies(load(), second));
    for (int i = 0; i < 8; ++i) {
        rotate_later();
    }
    EXPECT_EQ(list_grant_keys(path, clock.now() + 1s)->live,
              (std::vector<std::string>{"k10", "k11", "k12"}))
        << "by number, not by text";
}

TEST_F(key_ring, a_new_key_is_known_before_it_signs) {
    const auto now = clock.now();
    const auto r = rotate();
    EXPECT_EQ(r.signing, "k2");
    EXPECT_EQ(r.signs_from, now + grant_key_lead);
    EXPECT_EQ(list_grant_keys(path, now)->signing, "k1");
    EXPECT_EQ(list_grant_keys(path, now + grant_key_lead)->signing, "k2");
    rotate();
    EXPECT_EQ(list_grant_keys(path, now)->signing, "k1") << "two at once: still the one in use";
}

TEST_F(key_ring, a_key_can_be_taken_back_but_not_the_one_that_signs) {
    const auto late = clock.now() + 1h;
    const auto old = sign_with(load());
    rotate();
    EXPECT_EQ(remove_grant_key(path, "k2", late).error().reason, "key_signs");
    EXPECT_EQ(remove_grant_key(path, "k1", clock.now()).error().reason, "key_signs")
        << "it signs until the new one does";
    EXPECT_EQ(remove_grant_key(path, "k7", late).error().reason, "no_such_key");
    ASSERT_TRUE(remove_grant_key(path, "k1", late));
    EXPECT_EQ(list_grant_keys(path, late)->live, std::vector<std::string>{"k2"});
    const auto refused = verify_playback_grant(load(), old, video, clock.now());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "grant_unknown_key");
}

TEST_F(key_ring, stays_a_private_file_and_is_not_made_by_a_rotation) {
    rotate();
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    const auto missing = rotate_grant_keys(dir / "none.json", clock.now());
    EXPECT_EQ(missing.error().code, errc::not_found);
    EXPECT_FALSE(std::filesystem::exists(dir / "none.json"));
    std::ofstream(path) << "{}";
    EXPECT_EQ(rotate_grant_keys(path, clock.now()).error().reason, "key_file_damaged");
}

TEST_F(key_ring, damaged_files_are_told) {
    const std::string k(64, 'a');
    const std::string keys = "\"signing\":\"k1\",\"keys\":{\"k1\":\"" + k + "\"}";
    const std::string table[] = {
        "{}",
        "{\"signing\":\"k1\",\"keys\":{}}",
        "{" + keys + ",\"signing_before\":\"k0\",\"signing_from\":1}",
        "{" + keys + ",\"signing_from\":1}",
        "{" + keys + ",\"signing_before\":\"k1\",\"signing_from\":-1}",
        "{\"signing\":\"k 1\",\"keys\":{\"k 1\":\"" + k + "\"}}",
    };
    for (const auto& text : table) {
        std::ofstream(path) << text;
        EXPECT_FALSE(list_grant_keys(path, clock.now())) << text;
    }
}

TEST_F(key_ring, rotations_at_the_same_time_take_turns) {
    std::vector<std::thread> all;
    for (int i = 0; i < 8; ++i) {
        all.emplace_back([&] { EXPECT_TRUE(rotate_grant_keys(path, clock.now())); });
    }
    for (auto& t : all) {
        t.join();
    }
    EXPECT_EQ(list_grant_keys(path, clock.now() + 1s)->signing, "k9");
}

struct watching : key_ring {
    event_loop loop;
    blocking_pool pool{1};
    int changes = 0;
    int failures = 0;
    grant_keys keys = load();
    grant_key_watch watch{loop.executor(),
                          pool,
                          keys,
                          clock,
                          {path, 1ms, [this](const grant_keys&) { ++changes; },
                           [this](const error&) { ++failures; }}};

    void until(std::function<bool()> true_now) {
        const auto poll = [](std::function<bool()> f) -> task<> {
            const auto deadline = std::chrono::steady_clock::now() + 20s;
            while (!f() && std::chrono::steady_clock::now() < deadline) {
                co_await sleep_for(1ms);
            }
        };
        loop.run_until_done(poll(true_now));
        EXPECT_TRUE(true_now());
    }
    watching() { watch.start(); }
    ~watching() override {
        loop.run_until_done(watch.stop());
        pool.join();
    }
};

TEST_F(watching, a_running_process_verifies_with_a_new_key_first_and_signs_with_it_then) {
    const grant_keys copy = keys;
    const auto old = sign_with(copy);
    rotate();
    until([&] { return copy.find("k2") != nullptr; });
    EXPECT_EQ(copy.signing_id(), "k1");
    clock.now_ += grant_key_lead;
    until([&] { return copy.signing_id() == "k2"; });
    EXPECT_TRUE(verifies(copy, old));
    EXPECT_TRUE(verifies(copy, sign_with(copy)));
    EXPECT_EQ(changes, 2);
}

TEST_F(watching, a_file_that_cannot_be_read_changes_nothing_and_is_told_once) {
    const auto old = sign_with(keys);
    const auto good = path + ".good";
    std::filesystem::rename(path, good);
    until([&] { return failures == 1; });
    EXPECT_TRUE(verifies(keys, old));
    std::filesystem::rename(good, path);
    rotate();
    until([&] { return keys.find("k2") != nullptr; });
    EXPECT_EQ(failures, 1);
}

}  // namespace
}  // namespace vora::auth
