#pragma once
// What every video repository does, whatever keeps it. A Store makes a database of its own and
// opens repositories on it, each as another replica of the service would:
//   explicit Store(vora::executor, blocking_pool&);
//   std::unique_ptr<sql_video_repository> open();  // throws
//   static constexpr bool has_replicas;            // several may be open

#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"
#include "services/metadata/adapters/sql_video_repository.hpp"
#include "services/metadata/testing/fakes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace vora::metadata {

using claimed_messages = std::vector<outbox_message>;

template <class Store>
struct video_repository_contract : testing::Test {
    event_loop loop;
    blocking_pool pool{4};
    fake_clock clock;
    Store store{loop.executor(), pool};
    std::unique_ptr<sql_video_repository> first = store.open();

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    result<void> change(video_repository::transaction_body body) {
        return run(first->in_transaction(std::move(body)));
    }
    video some_video(milliseconds age = 0ms) {
        return create_video({"title", "text", visibility::everyone, "anna"},
                            video_id{random_uuid()}, clock.now() - age, 60s);
    }
    video put(const video& v) {
        EXPECT_TRUE(change([&](video_transaction& t) { return t.insert(v); }));
        return v;
    }
    outbox_message message_of(const video& v, outbox_kind kind = outbox_kind::start_ingest) {
        outbox_message m;
        m.kind = kind;
        m.video = v.id;
        m.source_key = "u1/original.mp4";
        m.source_bytes = 1LL << 40;
        m.created_at = clock.now();
        return m;
    }
    video stored(const video_id& id) { return run(first->find(id)).value().value(); }
    task<result<claimed_messages>> claim_by(video_repository& r, std::size_t count = 5) {
        return transact<claimed_messages>(r, [now = clock.now(), count](video_transaction& t) {
            return t.claim_outbox(now, now + 10s, count);
        });
    }
    claimed_messages claim() { return run(claim_by(*first)).value(); }
    bool note_sent(const outbox_message& m) {
        return run(transact<bool>(*first,
                                  [m, now = clock.now()](video_transaction& t) {
                                      return t.outbox_sent(m, now);
                                  }))
            .value();
    }
    std::int64_t pending() { return run(first->outbox()).value().pending; }

    // The same work n times at once, on as many replicas as there may be; its results.
    template <class F>
    std::vector<result<void>> at_once(int n, F work) {
        std::vector<std::unique_ptr<sql_video_repository>> replicas;
        if (Store::has_replicas) {
            replicas.push_back(store.open());
            replicas.push_back(store.open());
        }
        std::vector<result<void>> results;
        task_group together(loop.executor());
        for (int i = 0; i < n; ++i) {
            const auto which = static_cast<std::size_t>(i) % (replicas.size() + 1);
            auto& r = which == 0 ? *first : *replicas[which - 1];
            together.spawn([](task<result<void>> t, std::vector<result<void>>& all) -> task<> {
                auto done = co_await std::move(t);
                all.push_back(std::move(done));
            }(work(r, i), results));
        }
        run([](task_group& all) -> task<int> {
            co_await all.join();
            co_return 0;
        }(together));
        return results;
    }
};

TYPED_TEST_SUITE_P(video_repository_contract);

TYPED_TEST_P(video_repository_contract, a_video_comes_back_with_every_field) {
    auto v = this->put(this->some_video());
    EXPECT_EQ(this->stored(v.id), v);
    v.version = 2;
    v.state = video_state::ready;
    v.source = upload_id{"u1"};
    v.playable_at = this->clock.now() + 1s;
    v.settled_at = this->clock.now() + 2s;
    v.duration_s = 12.1;
    v.width = 1920;
    v.height = 1080;
    v.renditions = {{"1080p", 1920, 1080, 5'000'000, 4'000'000, "avc1.640028,mp4a.40.2", 29.97, 300,
                     3, 7'000'000}};
    v.input_report = {{"truncated", "the end is missing: \"\xE9\x9B\xAA\" ? $1"}};
    v.failure = video_failure{"internal_error", ""};
    v.deleting_at = this->clock.now() + 3s;
    v.deleted_at = this->clock.now() + 4s;
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.update(v); }));
    EXPECT_EQ(this->stored(v.id), v);
}

TYPED_TEST_P(video_repository_contract, a_transaction_that_fails_leaves_no_trace) {
    const auto v = this->some_video();
    const auto r = this->change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.insert(v));
        EXPECT_TRUE(t.put_upload({upload_id{"u"}, v.id, upload_status::open, v.created_at}));
        return fail(errc::aborted, "changed_my_mind");
    });
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "changed_my_mind");
    EXPECT_FALSE(this->run(this->first->find(v.id)).value());
    EXPECT_FALSE(this->run(this->first->find_upload(upload_id{"u"})).value());
}

TYPED_TEST_P(video_repository_contract, nothing_is_committed_over_a_statement_that_failed) {
    const auto v = this->some_video();
    const auto r = this->change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.insert(v));
        EXPECT_FALSE(t.put_upload({upload_id{"u"}, video_id{"nobody"}, upload_status::open, {}}))
            << "an upload belongs to a video";
        return {};
    });
    EXPECT_FALSE(r);
    EXPECT_FALSE(this->run(this->first->find(v.id)).value());
}

TYPED_TEST_P(video_repository_contract, of_two_changes_from_one_version_the_second_is_refused) {
    auto v = this->put(this->some_video());
    v.version = 2;
    v.title = "first";
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.update(v); }));
    v.title = "second";
    const auto r = this->change([&](video_transaction& t) { return t.update(v); });
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "lost_race");
    EXPECT_EQ(this->stored(v.id).title, "first");
}

TYPED_TEST_P(video_repository_contract, changes_at_once_of_one_video_come_one_after_the_other) {
    const auto v = this->put(this->some_video());
    const auto results = this->at_once(12, [&](video_repository& r, int) {
        return r.in_transaction([id = v.id](video_transaction& t) -> result<void> {
            auto found = t.find(id);
            if (!found) {
                return fail(found.error());
            }
            ++(*found)->version;
            (*found)->title += "x";
            return t.update(**found);
        });
    });
    for (const auto& r : results) {
        EXPECT_TRUE(r) << r.error().reason << " " << r.error().detail;
    }
    EXPECT_EQ(this->stored(v.id).title, "title" + std::string(12, 'x'));
    EXPECT_EQ(this->stored(v.id).version, 13);
}

TYPED_TEST_P(video_repository_contract, the_same_id_or_the_same_message_twice_is_refused) {
    const auto v = this->put(this->some_video());
    EXPECT_EQ(this->change([&](video_transaction& t) { return t.insert(v); }).error().reason,
              "video_exists");
    const auto m = this->message_of(v);
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(m); }));
    EXPECT_EQ(this->change([&](video_transaction& t) { return t.add_outbox(m); }).error().reason,
              "outbox_exists");
    EXPECT_EQ(this->pending(), 1);
}

TYPED_TEST_P(video_repository_contract, of_many_at_once_under_one_key_one_makes_a_video) {
    const auto results = this->at_once(12, [&](video_repository& r, int) {
        const auto v = this->some_video();
        const auto now = this->clock.now();
        return r.in_transaction([v, now](video_transaction& t) -> result<void> {
            if (auto made = t.insert(v); !made) {
                return made;
            }
            return t.keep_answer({"anna", "create_video", "key"}, {"print", v, now + 1h}, now);
        });
    });
    int made = 0;
    for (const auto& r : results) {
        made += r ? 1 : 0;
        EXPECT_TRUE(r || r.error().reason == "answer_exists") << r.error().detail;
    }
    EXPECT_EQ(made, 1);
    const auto all = this->run(this->first->list({})).value();
    ASSERT_EQ(all.size(), 1u);
    const answer_key key{"anna", "create_video", "key"};
    const auto kept = this->run(this->first->find_answer(key, this->clock.now())).value();
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->video, all.front());
    EXPECT_EQ(kept->fingerprint, "print");
    EXPECT_FALSE(this->run(this->first->find_answer(key, this->clock.now() + 1h)).value());
}

TYPED_TEST_P(video_repository_contract, an_answer_past_its_time_makes_room) {
    const auto v = this->put(this->some_video());
    const auto keep = [&](const char* print, timestamp now) {
        return this->change([&](video_transaction& t) {
            return t.keep_answer({"anna", "cancel", "key"}, {print, v, now + 1h}, now);
        });
    };
    const auto now = this->clock.now();
    EXPECT_TRUE(keep("a", now));
    EXPECT_EQ(keep("b", now + 59min).error().reason, "answer_exists");
    EXPECT_TRUE(keep("c", now + 1h));
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.forget_answers(now + 2h, 9); }));
    EXPECT_FALSE(this->run(this->first->find_answer({"anna", "cancel", "key"}, now)).value());
}

TYPED_TEST_P(video_repository_contract, a_list_is_paged_newest_first_and_ties_are_ordered) {
    std::set<std::string> all;
    for (int i = 0; i < 10; ++i) {
        all.insert(this->put(this->some_video(i < 5 ? 0ms : 1'000ms)).id.value);
    }
    list_query q;
    q.count_max = 3;
    std::set<std::string> seen;
    std::optional<video> last;
    for (;;) {
        const auto page = this->run(this->first->list(q)).value();
        if (page.empty()) {
            break;
        }
        for (const auto& v : page) {
            EXPECT_TRUE(seen.insert(v.id.value).second) << "shown twice";
            EXPECT_TRUE(!last || v.created_at < last->created_at ||
                        (v.created_at == last->created_at && v.id < last->id));
            last = v;
        }
        q.after = list_position{last->created_at, last->id};
        this->put(this->some_video(-1'000ms));  // newer ones come meanwhile
    }
    EXPECT_EQ(seen, all);
}

TYPED_TEST_P(video_repository_contract, a_list_shows_its_owner_and_state_and_nothing_deleted) {
    const auto mine = this->put(this->some_video());
    auto other = this->some_video();
    other.owner = "bert";
    this->put(other);
    auto gone = this->some_video();
    gone.deleting_at = this->clock.now();
    this->put(gone);
    list_query q;
    EXPECT_EQ(this->run(this->first->list(q)).value().size(), 2u);
    q.owner = "anna";
    const auto of_anna = this->run(this->first->list(q)).value();
    ASSERT_EQ(of_anna.size(), 1u);
    EXPECT_EQ(of_anna[0].id, mine.id);
    q.state = video_state::ready;
    EXPECT_TRUE(this->run(this->first->list(q)).value().empty());
}

TYPED_TEST_P(video_repository_contract, uploads_are_found_by_id_by_video_and_when_removable) {
    auto v = this->put(this->some_video());
    v.version = 2;
    v.settled_at = this->clock.now();
    const auto now = this->clock.now();
    ASSERT_TRUE(this->change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.put_upload({upload_id{"a"}, v.id, upload_status::open, now}));
        EXPECT_TRUE(t.put_upload({upload_id{"a"}, v.id, upload_status::finished, now + 1s}));
        EXPECT_TRUE(t.put_upload({upload_id{"b"}, v.id, upload_status::surplus, now}));
        EXPECT_EQ(t.find_upload(upload_id{"a"}).value()->status, upload_status::finished);
        return t.update(v);
    }));
    EXPECT_EQ(this->run(this->first->find_upload(upload_id{"b"})).value()->video, v.id);
    EXPECT_EQ(this->run(this->first->uploads_of(v.id)).value().size(), 2u);
    EXPECT_EQ(this->run(this->first->removable_uploads(now - 1s, 9)).value().size(), 1u);
    EXPECT_EQ(this->run(this->first->removable_uploads(now, 9)).value().size(), 2u);
}

TYPED_TEST_P(video_repository_contract, sweeps_see_state_deletion_and_messages_that_wait) {
    auto v = this->some_video();
    v.state = video_state::processing;
    this->put(v);
    auto gone = this->some_video();
    gone.deleting_at = this->clock.now();
    this->put(gone);
    const auto start = this->message_of(v);
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(start); }));
    auto page = this->run(this->first->in_state(video_state::processing, {}, 5)).value();
    ASSERT_EQ(page.size(), 1u);
    EXPECT_TRUE(page[0].start_pending);
    EXPECT_TRUE(this->run(this->first->in_state(video_state::processing, v.id, 5))->empty());
    EXPECT_TRUE(this->note_sent(start));
    page = this->run(this->first->in_state(video_state::processing, {}, 5)).value();
    EXPECT_FALSE(page.at(0).start_pending);
    const auto deleting = this->run(this->first->in_deletion({}, 5)).value();
    ASSERT_EQ(deleting.size(), 1u);
    EXPECT_EQ(deleting[0].video.id, gone.id);
}

TYPED_TEST_P(video_repository_contract, a_claim_lasts_until_its_end_or_its_release) {
    const auto m = this->message_of(this->put(this->some_video()));
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(m); }));
    const auto claimed = this->claim();
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].source_key, m.source_key);
    EXPECT_EQ(claimed[0].source_bytes, m.source_bytes);
    EXPECT_TRUE(claimed[0].unwanted) << "the video is not in PROCESSING";
    EXPECT_TRUE(this->claim().empty()) << "it is somebody's";
    this->clock.advance(10s);
    const auto second = this->claim();
    ASSERT_EQ(second.size(), 1u) << "the lease has run out";
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.release_outbox(second[0]); }));
    const auto third = this->claim();
    EXPECT_EQ(third.at(0).attempts, 3) << "it was given back";
    EXPECT_TRUE(this->note_sent(third[0]));
    EXPECT_FALSE(this->note_sent(third[0])) << "it was noted before";
    this->clock.advance(1h);
    EXPECT_TRUE(this->claim().empty()) << "it was sent";
    EXPECT_EQ(this->pending(), 0);
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.renew_outbox(m); }));
    EXPECT_EQ(this->pending(), 1) << "it is to be sent again";
    ASSERT_TRUE(
        this->change([&](video_transaction& t) { return t.withdraw_outbox(m.video, m.kind); }));
    EXPECT_EQ(this->pending(), 0);
}

TYPED_TEST_P(video_repository_contract, who_claimed_too_long_ago_can_neither_give_back_nor_end_it) {
    const auto m = this->message_of(this->put(this->some_video()));
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(m); }));
    const auto late = this->claim().at(0);
    this->clock.advance(10s);
    const auto holder = this->claim().at(0);
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.release_outbox(late); }));
    EXPECT_TRUE(this->claim().empty()) << "the other's claim stands";
    EXPECT_FALSE(this->note_sent(late));
    EXPECT_EQ(this->pending(), 1);
    EXPECT_TRUE(this->note_sent(holder));
    // Sent again later: what the first one says is still of no account.
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.renew_outbox(m); }));
    ASSERT_EQ(this->claim().size(), 1u);
    EXPECT_FALSE(this->note_sent(late));
    EXPECT_FALSE(this->note_sent(holder));
    EXPECT_EQ(this->pending(), 1);
}

TYPED_TEST_P(video_repository_contract, at_its_start_a_replica_leaves_the_claims_of_others_alone) {
    const auto m = this->message_of(this->put(this->some_video()));
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(m); }));
    ASSERT_EQ(this->claim().size(), 1u);
    ASSERT_TRUE(this->change([&](video_transaction& t) { return t.release_all_claims(); }));
    EXPECT_EQ(this->claim().size(), TypeParam::has_replicas ? 0u : 1u)
        << "whoever is alone with its database knows that the claimer is dead";
    this->clock.advance(10s);
    EXPECT_EQ(this->claim().size(), 1u) << "the lease of a dead one ends";
}

TYPED_TEST_P(video_repository_contract, a_later_message_of_a_video_waits_for_the_earlier_one) {
    const auto v = this->put(this->some_video());
    const auto start = this->message_of(v);
    auto end = this->message_of(v, outbox_kind::start_delete);
    end.created_at = this->clock.now() - 1s;  // a clock that was set back
    ASSERT_TRUE(this->change([&](video_transaction& t) -> result<void> {
        EXPECT_TRUE(t.add_outbox(end));
        return t.add_outbox(start);
    }));
    const auto claimed = this->claim();
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].kind, outbox_kind::start_ingest);
    EXPECT_TRUE(this->claim().empty());
    EXPECT_TRUE(this->note_sent(claimed[0]));
    EXPECT_EQ(this->claim().size(), 1u);
}

TYPED_TEST_P(video_repository_contract, relays_at_once_claim_every_message_once) {
    for (int i = 0; i < 20; ++i) {
        const auto m = this->message_of(this->put(this->some_video()));
        ASSERT_TRUE(this->change([&](video_transaction& t) { return t.add_outbox(m); }));
    }
    std::multiset<std::string> claimed;
    const auto relay = [](auto& test, video_repository& r,
                          std::multiset<std::string>& all) -> task<result<void>> {
        for (;;) {
            auto some = co_await test.claim_by(r, 2);
            if (!some) {
                co_return fail(some.error());
            }
            if (some->empty()) {
                co_return result<void>{};
            }
            for (const auto& m : *some) {
                all.insert(m.video.value);
            }
        }
    };
    const auto results =
        this->at_once(6, [&](video_repository& r, int) { return relay(*this, r, claimed); });
    for (const auto& r : results) {
        EXPECT_TRUE(r) << r.error().detail;
    }
    EXPECT_EQ(claimed.size(), 20u);
    EXPECT_EQ(std::set<std::string>(claimed.begin(), claimed.end()).size(), 20u);
}

TYPED_TEST_P(video_repository_contract, opening_again_changes_nothing) {
    const auto v = this->put(this->some_video());
    this->first.reset();
    this->first = this->store.open();
    EXPECT_EQ(this->stored(v.id), v);
    EXPECT_TRUE(this->run(this->first->ping()));
}

REGISTER_TYPED_TEST_SUITE_P(video_repository_contract, a_video_comes_back_with_every_field,
                            a_transaction_that_fails_leaves_no_trace,
                            nothing_is_committed_over_a_statement_that_failed,
                            of_two_changes_from_one_version_the_second_is_refused,
                            changes_at_once_of_one_video_come_one_after_the_other,
                            the_same_id_or_the_same_message_twice_is_refused,
                            of_many_at_once_under_one_key_one_makes_a_video,
                            an_answer_past_its_time_makes_room,
                            a_list_is_paged_newest_first_and_ties_are_ordered,
                            a_list_shows_its_owner_and_state_and_nothing_deleted,
                            uploads_are_found_by_id_by_video_and_when_removable,
                            sweeps_see_state_deletion_and_messages_that_wait,
                            a_claim_lasts_until_its_end_or_its_release,
                            who_claimed_too_long_ago_can_neither_give_back_nor_end_it,
                            at_its_start_a_replica_leaves_the_claims_of_others_alone,
                            a_later_message_of_a_video_waits_for_the_earlier_one,
                            relays_at_once_claim_every_message_once, opening_again_changes_nothing);

}  // namespace vora::metadata
