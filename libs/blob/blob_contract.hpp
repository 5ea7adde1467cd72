#pragma once
// The contract suite: every adapter of the object store port passes exactly these tests. An adapter
// gives a bucket type with
//     bucket();                        // empty, made anew for each test
//     blob::reader& reader();  blob::writer& writer();  blob::remover& remover();
//     event_loop& loop();
// and adds one line: INSTANTIATE_TYPED_TEST_SUITE_P(NAME, blob_contract, BUCKET);

#include "libs/base/async.hpp"
#include "libs/base/crypto.hpp"
#include "libs/blob/blob.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace vora::blob {

// Bytes that differ at every offset, so that a shifted or repeated block shows.
inline std::string contract_bytes(std::size_t n, unsigned seed) {
    std::string bytes(n, '\0');
    std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
    for (auto& c : bytes) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        c = static_cast<char>(x);
    }
    return bytes;
}

template <class T>
task<> contract_store_result(task<T> t, std::optional<T>& into) {
    into.emplace(co_await std::move(t));
}

inline task<> contract_join(task_group& group) {
    co_await group.join();
}

template <class Bucket>
class blob_contract : public testing::Test {
 protected:
    template <class T>
    T run(task<T> t) {
        return bucket_.loop().run_until_done(std::move(t));
    }
    // All at once.
    template <class T>
    std::vector<T> run_all(std::vector<task<T>> tasks) {
        task_group group(bucket_.loop().executor());
        std::vector<std::optional<T>> results(tasks.size());
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            group.spawn(contract_store_result(std::move(tasks[i]), results[i]));
        }
        bucket_.loop().run_until_done(contract_join(group));
        std::vector<T> out;
        for (auto& r : results) {
            out.push_back(std::move(*r));
        }
        return out;
    }
    std::string text_of(const std::string& key) {
        auto r = run(read_object(reader(), key, 64 << 20));
        return r ? *r : "<" + r.error().reason + ">";
    }
    task<result<std::string>> read_range(std::string key, byte_range range) {
        auto stream = co_await reader().open(key, range);
        if (!stream) {
            co_return fail(stream.error());
        }
        std::string bytes;
        std::vector<char> piece(7);
        for (;;) {
            auto n = co_await (*stream)->read(piece);
            if (!n) {
                co_return fail(n.error());
            }
            if (*n == 0) {
                co_return bytes;
            }
            bytes.append(piece.data(), *n);
        }
    }
    std::string range_of(const std::string& key, std::uint64_t offset, std::uint64_t length) {
        auto r = run(read_range(key, {offset, length}));
        return r ? *r : "<" + r.error().reason + ">";
    }
    result<object_info> put(const std::string& key, const std::string& bytes,
                            put_mode mode = put_mode::create_only) {
        return run(writer().put(key, bytes, mode));
    }
    std::vector<std::string> keys(const std::string& prefix, const std::string& after = "",
                                  std::size_t max = 1000) {
        std::vector<std::string> out;
        auto r = run(reader().list(prefix, after, max));
        EXPECT_TRUE(r.has_value());
        for (const auto& o : *r) {
            out.push_back(o.key);
        }
        return out;
    }
    static std::string reason(const auto& r) { return r ? "ok" : r.error().reason; }

    blob::reader& reader() { return bucket_.reader(); }
    blob::writer& writer() { return bucket_.writer(); }
    blob::remover& remover() { return bucket_.remover(); }
    Bucket bucket_;

    static constexpr std::uint64_t part_bytes = 5 << 20;  // the least S3 takes
};

TYPED_TEST_SUITE_P(blob_contract);

TYPED_TEST_P(blob_contract, what_was_put_is_read_back) {
    const auto bytes = contract_bytes(1'000'003, 1);
    auto put = this->put("a/b/original.bin", bytes);
    ASSERT_TRUE(put.has_value()) << put.error().detail;
    EXPECT_EQ(put->size_bytes, bytes.size());
    EXPECT_EQ(put->key, "a/b/original.bin");
    EXPECT_EQ(this->text_of("a/b/original.bin"), bytes);
    auto head = this->run(this->reader().head("a/b/original.bin"));
    ASSERT_TRUE(head.has_value());
    EXPECT_EQ(head->etag, put->etag);
    EXPECT_TRUE(head->etag.starts_with('"') && head->etag.ends_with('"')) << head->etag;
}

TYPED_TEST_P(blob_contract, an_empty_object_is_an_object) {
    ASSERT_TRUE(this->put("empty", "").has_value());
    EXPECT_EQ(this->text_of("empty"), "");
}

TYPED_TEST_P(blob_contract, bytes_from_memory_are_put_like_a_string) {
    const std::string bytes = contract_bytes(1000, 2);
    auto r = this->run(
        this->writer().put_span("s", std::span(bytes).subspan(10, 100), put_mode::create_only));
    ASSERT_TRUE(r.has_value());
    EXPECT_EQ(this->text_of("s"), bytes.substr(10, 100));
}

TYPED_TEST_P(blob_contract, ranges_are_exact_at_both_ends) {
    const auto bytes = contract_bytes(1000, 3);
    ASSERT_TRUE(this->put("r", bytes).has_value());
    EXPECT_EQ(this->range_of("r", 0, 1), bytes.substr(0, 1));
    EXPECT_EQ(this->range_of("r", 0, 1000), bytes);
    EXPECT_EQ(this->range_of("r", 999, 1), bytes.substr(999, 1));
    EXPECT_EQ(this->range_of("r", 990, 500), bytes.substr(990));
    EXPECT_EQ(this->range_of("r", 123, 456), bytes.substr(123, 456));
    EXPECT_EQ(this->range_of("r", 1000, 1), "<range_not_satisfiable>");
}

TYPED_TEST_P(blob_contract, a_missing_key_is_not_found) {
    EXPECT_EQ(this->text_of("nothing/here"), "<no_such_object>");
    EXPECT_EQ(this->reason(this->run(this->reader().head("nothing/here"))), "no_such_object");
    ASSERT_TRUE(this->put("dir/file", "x").has_value());
    EXPECT_EQ(this->reason(this->run(this->reader().head("dir"))), "no_such_object");
}

TYPED_TEST_P(blob_contract, create_only_refuses_a_taken_key_and_keeps_its_bytes) {
    ASSERT_TRUE(this->put("k", "first").has_value());
    auto second = this->put("k", "second");
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, errc::already_exists);
    EXPECT_EQ(second.error().reason, "object_exists");
    EXPECT_EQ(this->text_of("k"), "first");
}

TYPED_TEST_P(blob_contract, of_many_writers_that_create_exactly_one_wins) {
    for (int round = 0; round < 10; ++round) {
        const auto key = "race/" + std::to_string(round);
        std::vector<task<result<object_info>>> tasks;
        for (int i = 0; i < 8; ++i) {
            tasks.push_back(
                this->writer().put(key, "writer " + std::to_string(i), put_mode::create_only));
        }
        auto results = this->run_all(std::move(tasks));
        int winner = -1;
        int winners = 0;
        for (int i = 0; i < 8; ++i) {
            if (results[static_cast<std::size_t>(i)]) {
                ++winners;
                winner = i;
            } else {
                EXPECT_EQ(results[static_cast<std::size_t>(i)].error().reason, "object_exists");
            }
        }
        EXPECT_EQ(winners, 1);
        EXPECT_EQ(this->text_of(key), "writer " + std::to_string(winner));
    }
}

TYPED_TEST_P(blob_contract, an_overwrite_changes_the_etag_and_an_open_reader_keeps_its_version) {
    auto first = this->put("o", std::string(100'000, 'a'));
    auto stream = this->run(this->reader().open("o", std::nullopt));
    ASSERT_TRUE(first && stream);
    auto second = this->put("o", std::string(100'000, 'b'), put_mode::overwrite);
    ASSERT_TRUE(second.has_value());
    EXPECT_NE(first->etag, second->etag);
    EXPECT_EQ(this->text_of("o"), std::string(100'000, 'b'));
    ASSERT_TRUE(this->run(this->remover().remove("o")).has_value());
    std::vector<char> piece(100'000);
    auto n = this->run((*stream)->read(piece));
    ASSERT_TRUE(n.has_value());
    EXPECT_EQ(std::string(piece.data(), *n), std::string(*n, 'a'));
}

TYPED_TEST_P(blob_contract, a_reader_never_sees_a_mix_of_two_versions) {
    std::vector<task<result<object_info>>> writes;
    for (int i = 0; i < 30; ++i) {
        writes.push_back(this->writer().put(
            "mix", std::string(50'000, static_cast<char>('a' + i % 26)), put_mode::overwrite));
    }
    ASSERT_TRUE(this->put("mix", std::string(50'000, 'z')).has_value());
    std::vector<task<result<std::string>>> reads;
    for (int i = 0; i < 30; ++i) {
        reads.push_back(read_object(this->reader(), "mix", 1 << 20));
    }
    task_group group(this->bucket_.loop().executor());
    std::vector<std::optional<result<object_info>>> written(30);
    std::vector<std::optional<result<std::string>>> seen(30);
    for (std::size_t i = 0; i < 30; ++i) {
        group.spawn(contract_store_result(std::move(writes[i]), written[i]));
        group.spawn(contract_store_result(std::move(reads[i]), seen[i]));
    }
    this->bucket_.loop().run_until_done(contract_join(group));
    for (std::size_t i = 0; i < 30; ++i) {
        ASSERT_TRUE(seen[i]->has_value()) << (*seen[i]).error().reason;
        const auto& text = **seen[i];
        EXPECT_EQ(text, std::string(50'000, text[0]));
        EXPECT_TRUE(written[i]->has_value());
    }
}

TYPED_TEST_P(blob_contract, a_file_is_put_with_its_bytes) {
    const auto path = std::filesystem::temp_directory_path() / ("vora_put_file_" + random_hex(8));
    const auto bytes = contract_bytes(300'000, 4);
    std::ofstream(path, std::ios::binary) << bytes;
    auto created = this->run(this->writer().put_file("f/one", path, put_mode::create_only));
    EXPECT_TRUE(created.has_value());
    auto again = this->run(this->writer().put_file("f/one", path, put_mode::create_only));
    EXPECT_EQ(this->reason(again), "object_exists");
    auto over = this->run(this->writer().put_file("f/one", path, put_mode::overwrite));
    EXPECT_TRUE(over.has_value());
    std::filesystem::remove(path);
    EXPECT_EQ(this->text_of("f/one"), bytes);
}

TYPED_TEST_P(blob_contract, fetch_to_file_gives_the_bytes_and_refuses_an_existing_path) {
    const auto path = std::filesystem::temp_directory_path() / ("vora_fetch_" + random_hex(8));
    const auto bytes = contract_bytes(300'000, 5);
    ASSERT_TRUE(this->put("f", bytes).has_value());
    ASSERT_TRUE(this->run(this->reader().fetch_to_file("f", path)).has_value());
    std::ifstream in(path, std::ios::binary);
    const std::string got{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(got, bytes);
    EXPECT_EQ(this->reason(this->run(this->reader().fetch_to_file("f", path))), "path_exists");
    EXPECT_EQ(this->reason(this->run(this->reader().fetch_to_file("none", path.string() + "2"))),
              "no_such_object");
    std::filesystem::remove(path);
    EXPECT_EQ(this->text_of("f"), bytes);
}

TYPED_TEST_P(blob_contract, bad_keys_are_refused_and_touch_nothing) {
    const std::string bad[] = {"",
                               "/",
                               "/a",
                               "a/",
                               "a//b",
                               ".",
                               "..",
                               "a/..",
                               "../a",
                               "a/./b",
                               "a b",
                               "a\\b",
                               "a%2f",
                               "a\nb",
                               std::string("a\0b", 3),
                               "\xc3\xa4",
                               "a:b",
                               "a*",
                               std::string(513, 'k')};
    for (const auto& key : bad) {
        EXPECT_FALSE(is_valid_key(key)) << key;
        EXPECT_EQ(this->reason(this->put(key, "x")), "bad_key") << key;
        EXPECT_EQ(this->reason(this->run(this->reader().head(key))), "bad_key") << key;
        EXPECT_EQ(this->reason(this->run(this->reader().open(key, std::nullopt))), "bad_key")
            << key;
        EXPECT_EQ(this->reason(this->run(this->remover().remove(key))), "bad_key") << key;
        EXPECT_EQ(this->reason(this->run(this->writer().begin_multipart(key, this->part_bytes))),
                  "bad_key")
            << key;
    }
    EXPECT_EQ(this->reason(this->run(this->remover().remove_all(""))), "bad_key");
    EXPECT_EQ(this->reason(this->run(this->remover().remove_all("/"))), "bad_key");
    EXPECT_EQ(this->reason(this->run(this->remover().remove_all("a"))), "bad_key");
    EXPECT_TRUE(this->keys("").empty());
}

TYPED_TEST_P(blob_contract, lists_are_in_byte_order_and_paged) {
    const std::vector<std::string> all = {"a-b/x", "a.b", "a/.info", "a/b-c",  "a/b/1",
                                          "a/b/2", "a0",  "b",       "c/1/2/3"};
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        ASSERT_TRUE(this->put(*it, "x").has_value());
    }
    EXPECT_EQ(this->keys(""), all);
    std::vector<std::string> paged;
    for (std::string after;;) {
        const auto page = this->keys("", after, 2);
        if (page.empty()) {
            break;
        }
        EXPECT_LE(page.size(), 2u);
        paged.insert(paged.end(), page.begin(), page.end());
        after = page.back();
    }
    EXPECT_EQ(paged, all);
    EXPECT_EQ(this->keys("a/"), (std::vector<std::string>{"a/.info", "a/b-c", "a/b/1", "a/b/2"}));
    EXPECT_EQ(this->keys("a/b"), (std::vector<std::string>{"a/b-c", "a/b/1", "a/b/2"}));
    EXPECT_EQ(this->keys("", "a/b/1", 2), (std::vector<std::string>{"a/b/2", "a0"}));
    EXPECT_TRUE(this->keys("nothing/").empty());
}

TYPED_TEST_P(blob_contract, removing_is_idempotent_and_remove_all_keeps_to_its_prefix) {
    for (const auto* key : {"v/1", "v/2/3", "v/2/4", "v2/1", "w"}) {
        ASSERT_TRUE(this->put(key, "x").has_value());
    }
    EXPECT_TRUE(this->run(this->remover().remove("w")).has_value());
    EXPECT_TRUE(this->run(this->remover().remove("w")).has_value());
    auto removed = this->run(this->remover().remove_all("v/"));
    ASSERT_TRUE(removed.has_value());
    EXPECT_EQ(*removed, 3u);
    removed = this->run(this->remover().remove_all("v/"));
    ASSERT_TRUE(removed.has_value());
    EXPECT_EQ(*removed, 0u);
    EXPECT_EQ(this->keys(""), (std::vector<std::string>{"v2/1"}));
    EXPECT_TRUE(this->put("v/1", "again").has_value());
}

TYPED_TEST_P(blob_contract, parts_in_any_order_make_one_object) {
    const auto bytes = contract_bytes(2 * this->part_bytes + 12'345, 6);
    const auto piece = [&](std::uint64_t k) {
        return std::span(bytes)
            .subspan(k * this->part_bytes)
            .first(std::min<std::size_t>(this->part_bytes, bytes.size() - k * this->part_bytes));
    };
    auto id = this->run(this->writer().begin_multipart("m/o", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    for (std::uint32_t number : {3u, 1u, 2u}) {
        auto part = this->run(this->writer().put_part("m/o", *id, number, piece(number - 1)));
        ASSERT_TRUE(part.has_value()) << part.error().detail;
        EXPECT_EQ(part->size_bytes, piece(number - 1).size());
    }
    EXPECT_EQ(this->text_of("m/o"), "<no_such_object>");
    EXPECT_TRUE(this->keys("").empty());
    auto parts = this->run(this->writer().list_parts("m/o", *id));
    ASSERT_TRUE(parts.has_value());
    ASSERT_EQ(parts->size(), 3u);
    auto done = this->run(this->writer().complete_multipart("m/o", *id, *parts));
    ASSERT_TRUE(done.has_value()) << done.error().detail;
    EXPECT_EQ(done->size_bytes, bytes.size());
    EXPECT_TRUE(this->text_of("m/o") == bytes);
}

TYPED_TEST_P(blob_contract, a_part_put_again_counts_once_and_the_later_bytes_stand) {
    auto id = this->run(this->writer().begin_multipart("m", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    const auto first = contract_bytes(this->part_bytes, 7);
    const auto wrong = contract_bytes(5000, 8);
    const auto right = contract_bytes(1000, 9);
    ASSERT_TRUE(this->run(this->writer().put_part("m", *id, 2, wrong)).has_value());
    ASSERT_TRUE(this->run(this->writer().put_part("m", *id, 1, first)).has_value());
    auto again = this->run(this->writer().put_part("m", *id, 2, right));
    ASSERT_TRUE(again.has_value());
    auto parts = this->run(this->writer().list_parts("m", *id));
    ASSERT_TRUE(parts.has_value());
    ASSERT_EQ(parts->size(), 2u);
    EXPECT_EQ((*parts)[1].size_bytes, right.size());
    EXPECT_EQ((*parts)[1].etag, again->etag);
    auto done = this->run(this->writer().complete_multipart("m", *id, *parts));
    ASSERT_TRUE(done.has_value()) << done.error().detail;
    EXPECT_TRUE(this->text_of("m") == first + right);
}

TYPED_TEST_P(blob_contract, a_gap_or_a_foreign_part_does_not_complete) {
    auto id = this->run(this->writer().begin_multipart("m", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    const auto full = contract_bytes(this->part_bytes, 10);
    auto one = this->run(this->writer().put_part("m", *id, 1, full));
    auto three = this->run(this->writer().put_part("m", *id, 3, full));
    ASSERT_TRUE(one && three);
    EXPECT_FALSE(
        this->run(this->writer().complete_multipart("m", *id, {*one, *three})).has_value());
    auto foreign = *one;
    foreign.etag = "\"0123456789abcdef\"";
    EXPECT_FALSE(this->run(this->writer().complete_multipart("m", *id, {foreign})).has_value());
    EXPECT_FALSE(this->run(this->writer().complete_multipart("m", *id, {})).has_value());
    EXPECT_EQ(this->text_of("m"), "<no_such_object>");
    EXPECT_TRUE(this->run(this->writer().complete_multipart("m", *id, {*one})).has_value());
}

TYPED_TEST_P(blob_contract, completing_twice_leaves_one_object_and_says_so) {
    auto id = this->run(this->writer().begin_multipart("m", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    auto part = this->run(this->writer().put_part("m", *id, 1, contract_bytes(100, 11)));
    ASSERT_TRUE(part.has_value());
    ASSERT_TRUE(this->run(this->writer().complete_multipart("m", *id, {*part})).has_value());
    auto again = this->run(this->writer().complete_multipart("m", *id, {*part}));
    ASSERT_FALSE(again.has_value());
    EXPECT_TRUE(again.error().code == errc::not_found ||
                again.error().code == errc::already_exists);
    EXPECT_EQ(this->text_of("m"), contract_bytes(100, 11));
}

TYPED_TEST_P(blob_contract, completing_onto_a_taken_key_keeps_the_older_object) {
    ASSERT_TRUE(this->put("m", "older").has_value());
    auto id = this->run(this->writer().begin_multipart("m", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    auto part = this->run(this->writer().put_part("m", *id, 1, contract_bytes(100, 12)));
    ASSERT_TRUE(part.has_value());
    auto done = this->run(this->writer().complete_multipart("m", *id, {*part}));
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, errc::already_exists);
    EXPECT_EQ(this->text_of("m"), "older");
}

TYPED_TEST_P(blob_contract, an_aborted_multipart_is_gone_and_aborting_is_idempotent) {
    auto id = this->run(this->writer().begin_multipart("m", this->part_bytes));
    ASSERT_TRUE(id.has_value());
    auto part = this->run(this->writer().put_part("m", *id, 1, contract_bytes(100, 13)));
    ASSERT_TRUE(part.has_value());
    EXPECT_TRUE(this->run(this->writer().abort_multipart("m", *id)).has_value());
    EXPECT_TRUE(this->run(this->writer().abort_multipart("m", *id)).has_value());
    EXPECT_EQ(this->reason(this->run(this->writer().put_part("m", *id, 2, contract_bytes(9, 1)))),
              "no_such_multipart");
    EXPECT_EQ(this->reason(this->run(this->writer().list_parts("m", *id))), "no_such_multipart");
    EXPECT_EQ(this->reason(this->run(this->writer().complete_multipart("m", *id, {*part}))),
              "no_such_multipart");
    EXPECT_EQ(this->text_of("m"), "<no_such_object>");
}

REGISTER_TYPED_TEST_SUITE_P(
    blob_contract, what_was_put_is_read_back, an_empty_object_is_an_object,
    bytes_from_memory_are_put_like_a_string, ranges_are_exact_at_both_ends,
    a_missing_key_is_not_found, create_only_refuses_a_taken_key_and_keeps_its_bytes,
    of_many_writers_that_create_exactly_one_wins,
    an_overwrite_changes_the_etag_and_an_open_reader_keeps_its_version,
    a_reader_never_sees_a_mix_of_two_versions, a_file_is_put_with_its_bytes,
    fetch_to_file_gives_the_bytes_and_refuses_an_existing_path,
    bad_keys_are_refused_and_touch_nothing, lists_are_in_byte_order_and_paged,
    removing_is_idempotent_and_remove_all_keeps_to_its_prefix, parts_in_any_order_make_one_object,
    a_part_put_again_counts_once_and_the_later_bytes_stand,
    a_gap_or_a_foreign_part_does_not_complete, completing_twice_leaves_one_object_and_says_so,
    completing_onto_a_taken_key_keeps_the_older_object,
    an_aborted_multipart_is_gone_and_aborting_is_idempotent);

}  // namespace vora::blob
