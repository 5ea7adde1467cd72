#include "libs/blob/file/file_store.hpp"

#include "libs/blob/blob_contract.hpp"
#include "libs/blob/file/bucket_dir.hpp"
#include "libs/blob/file/leftovers.hpp"
#include "libs/blob/file/posix.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>

namespace vora::blob {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct temp_dir {
    fs::path path = fs::temp_directory_path() / ("vora_blob_" + random_hex(8));
    temp_dir() { fs::create_directories(path); }
    ~temp_dir() { fs::remove_all(path); }
};

class file_bucket {
 public:
    blob::reader& reader() { return store_; }
    blob::writer& writer() { return store_; }
    blob::remover& remover() { return store_; }
    event_loop& loop() { return loop_; }

 private:
    temp_dir dir_;
    event_loop loop_;
    blocking_pool pool_{4};
    file_store store_{dir_.path / "bucket", pool_};
};

INSTANTIATE_TYPED_TEST_SUITE_P(file, blob_contract, file_bucket);

struct file_store_test : testing::Test {
    temp_dir dir;
    event_loop loop;
    blocking_pool pool{2};
    fs::path root = dir.path / "deep" / "bucket";

    static std::size_t count(const fs::path& p) {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(p), {}));
    }
    static std::string slurp(const fs::path& p) {
        std::ifstream in(p, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
};

TEST_F(file_store_test, an_object_is_a_plain_file_at_its_key) {
    file_store store(root, pool);
    ASSERT_TRUE(run(store.put("id/original.bin", "hello", put_mode::create_only)).has_value());
    EXPECT_EQ(slurp(root / "id" / "original.bin"), "hello");
    EXPECT_EQ(count(root / ".tmp"), 0u);
}

TEST_F(file_store_test, keys_of_its_own_directories_are_refused) {
    file_store store(root, pool);
    for (const auto* key : {".tmp/x", ".multipart/x", ".tmp", ".multipart"}) {
        auto r = run(store.put(key, "x", put_mode::create_only));
        ASSERT_FALSE(r.has_value()) << key;
        EXPECT_EQ(r.error().reason, "bad_key");
    }
    EXPECT_TRUE(run(store.put("a/.tmp/x", "x", put_mode::create_only)).has_value());
}

TEST_F(file_store_test, an_object_cannot_lie_below_another) {
    file_store store(root, pool);
    ASSERT_TRUE(run(store.put("a", "x", put_mode::create_only)).has_value());
    for (auto mode : {put_mode::create_only, put_mode::overwrite}) {
        auto r = run(store.put("a/b", "x", mode));
        ASSERT_FALSE(r.has_value());
        EXPECT_EQ(r.error().reason, "key_conflict");
    }
}

TEST_F(file_store_test, left_over_temporary_files_go_at_start_and_live_ones_stay) {
    {
        file_store store(root, pool);
    }
    std::ofstream(root / ".tmp" / "4194999.0123456789abcdef.1") << "left by a dead process";
    std::ofstream(root / ".tmp" / (std::to_string(getpid()) + ".0123456789abcdef.1")) << "same pid";
    std::ofstream(root / ".tmp" / (std::to_string(getppid()) + ".0123456789abcdef.1")) << "alive";
    file_store store(root, pool);
    EXPECT_EQ(count(root / ".tmp"), 1u);
}

TEST_F(file_store_test, a_multipart_survives_a_restart_and_a_torn_record) {
    const auto one = contract_bytes(1000, 1);
    const auto two = contract_bytes(1000, 2);
    std::string id;
    {
        file_store store(root, pool);
        id = *run(store.begin_multipart("k", 1000));
        ASSERT_TRUE(run(store.put_part("k", id, 1, one)).has_value());
        ASSERT_TRUE(run(store.put_part("k", id, 2, two)).has_value());
    }
    const auto records = root / ".multipart" / id / "parts";
    fs::resize_file(records, fs::file_size(records) - 3);
    file_store store(root, pool);
    auto parts = run(store.list_parts("k", id));
    ASSERT_TRUE(parts.has_value());
    ASSERT_EQ(parts->size(), 1u) << "the cut line must not count";
    ASSERT_TRUE(run(store.put_part("k", id, 2, two)).has_value());
    parts = run(store.list_parts("k", id));
    ASSERT_EQ(parts->size(), 2u) << "a line after a cut one must count";
    ASSERT_TRUE(run(store.complete_multipart("k", id, *parts)).has_value());
    EXPECT_EQ(slurp(root / "k"), one + two);
    EXPECT_EQ(count(root / ".multipart"), 0u);
}

TEST_F(file_store_test, a_damaged_record_line_counts_for_nothing) {
    file_store store(root, pool);
    const auto id = *run(store.begin_multipart("k", 1000));
    ASSERT_TRUE(run(store.put_part("k", id, 1, contract_bytes(1000, 1))).has_value());
    const auto records = root / ".multipart" / id / "parts";
    auto text = slurp(records);
    text[0] = '2';  // claims to be another part
    std::ofstream(records, std::ios::binary) << text;
    auto parts = run(store.list_parts("k", id));
    ASSERT_TRUE(parts.has_value());
    EXPECT_TRUE(parts->empty());
}

TEST_F(file_store_test, a_crash_between_link_and_cleanup_is_healed_by_completing_again) {
    file_store store(root, pool);
    const auto id = *run(store.begin_multipart("a/k", 1000));
    const auto bytes = contract_bytes(700, 1);
    auto part = run(store.put_part("a/k", id, 1, bytes));
    ASSERT_TRUE(part.has_value());
    // What the crash leaves: the object is linked, the multipart still there.
    fs::create_directories(root / "a");
    fs::create_hard_link(root / ".multipart" / id / "data", root / "a" / "k");
    auto late = run(store.put_part("a/k", id, 1, contract_bytes(700, 2)));
    ASSERT_FALSE(late.has_value()) << "bytes of a visible object must not change";
    auto done = run(store.complete_multipart("a/k", id, {*part}));
    ASSERT_TRUE(done.has_value()) << done.error().reason;
    EXPECT_EQ(slurp(root / "a" / "k"), bytes);
    EXPECT_EQ(count(root / ".multipart"), 0u);
}

TEST_F(file_store_test, completing_makes_no_second_copy) {
    file_store store(root, pool);
    const auto id = *run(store.begin_multipart("k", 1000));
    auto part = run(store.put_part("k", id, 1, contract_bytes(700, 1)));
    struct ::stat before{};
    struct ::stat after{};
    ::stat((root / ".multipart" / id / "data").c_str(), &before);
    ASSERT_TRUE(run(store.complete_multipart("k", id, {*part})).has_value());
    ::stat((root / "k").c_str(), &after);
    EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(file_store_test, multipart_ids_that_are_paths_are_not_found) {
    file_store store(root, pool);
    for (const auto* id : {"..", "../../etc", "", "0123456789abcdef0123456789abcdeg"}) {
        auto r = run(store.list_parts("k", id));
        ASSERT_FALSE(r.has_value());
        EXPECT_EQ(r.error().reason, "no_such_multipart");
        EXPECT_TRUE(run(store.abort_multipart("k", id)).has_value());
    }
    const auto id = *run(store.begin_multipart("k", 1000));
    EXPECT_EQ(run(store.list_parts("other", id)).error().reason, "no_such_multipart");
}

TEST_F(file_store_test, fetching_links_without_a_copy) {
    file_store store(root, pool);
    ASSERT_TRUE(run(store.put("k", "bytes", put_mode::create_only)).has_value());
    ASSERT_TRUE(run(store.fetch_to_file("k", dir.path / "out")).has_value());
    EXPECT_EQ(fs::hard_link_count(dir.path / "out"), 2u);
}

TEST_F(file_store_test, an_object_cut_short_while_it_is_read_is_data_loss) {
    file_store store(root, pool);
    ASSERT_TRUE(run(store.put("k", std::string(1000, 'x'), put_mode::create_only)).has_value());
    auto stream = run(store.open("k", std::nullopt));
    ASSERT_TRUE(stream.has_value());
    fs::resize_file(root / "k", 10);
    std::vector<char> piece(1000);
    auto first = run((*stream)->read(piece));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(*first, 10u);
    auto second = run((*stream)->read(piece));
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, errc::data_loss);
}

TEST_F(file_store_test, what_is_in_memory_is_read_without_waiting_for_the_pool) {
    blocking_pool one(1);
    file_store store(root, one);
    ASSERT_TRUE(run(store.put("k", "hello", put_mode::create_only)).has_value());
    const auto fd = posix::open_if_cached(root / "k");
    std::array<char, 5> bytes{};
    if (!fd || !posix::read_if_cached(fd->get(), bytes, 0)) {
        GTEST_SKIP() << "this file system does not say what it has in memory";
    }
    std::promise<void> read;
    std::atomic<bool> pool_was_needed = false;
    one.post([&, done = read.get_future().share()] {
        pool_was_needed = done.wait_for(20s) == std::future_status::timeout;
    });
    EXPECT_EQ(*run(read_object(store, "k", 100)), "hello");
    read.set_value();
    one.join();
    EXPECT_FALSE(pool_was_needed);
}

// How many of the pages of [offset, offset + bytes) are in memory.
std::size_t pages_in_memory(const fs::path& file, std::size_t offset, std::size_t bytes) {
    const auto fd = posix::open_file(file, O_RDONLY);
    void* map =
        ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd->get(), static_cast<off_t>(offset));
    std::vector<unsigned char> pages(bytes / 4096);
    EXPECT_EQ(::mincore(map, bytes, pages.data()), 0);
    ::munmap(map, bytes);
    return static_cast<std::size_t>(
        std::ranges::count_if(pages, [](unsigned char p) { return (p & 1) != 0; }));
}

TEST_F(file_store_test, the_end_of_a_large_multipart_does_not_stay_in_memory_its_beginning_does) {
    struct ::statfs where{};
    ASSERT_EQ(::statfs(dir.path.c_str(), &where), 0);
    if (where.f_type == TMPFS_MAGIC) {
        GTEST_SKIP() << "here files are memory";
    }
    constexpr std::size_t part = 1 << 20;
    file_store store(root, pool);
    const auto id = *run(store.begin_multipart("k", part));
    const std::string bytes(part, 'x');
    ASSERT_TRUE(run(store.put_part("k", id, 1, bytes)).has_value());
    ASSERT_TRUE(run(store.put_part("k", id, 101, bytes)).has_value());
    const auto data = root / ".multipart" / id / "data";
    EXPECT_GT(pages_in_memory(data, 0, part), part / 4096 / 2);
    EXPECT_LT(pages_in_memory(data, 100 * part, part), part / 4096 / 2);
}

// The call that cannot wait must not take it for an object either.
TEST_F(file_store_test, a_pipe_in_the_place_of_an_object_holds_up_nobody) {
    fs::create_directories(root);
    ASSERT_EQ(::mkfifo((root / "k").c_str(), 0600), 0);
    const bucket_dir bucket(root);
    EXPECT_FALSE(bucket.open_if_cached("k"));
    EXPECT_FALSE(bucket.open_if_cached("absent"));
}

TEST_F(file_store_test, a_store_that_takes_no_more_bytes_says_full_and_keeps_nothing) {
    file_store store(root, pool);
    const auto id = *run(store.begin_multipart("m", 1 << 20));
    rlimit old{};
    getrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit small{100'000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    auto put = run(store.put("k", std::string(200'000, 'x'), put_mode::create_only));
    auto part = run(store.put_part("m", id, 1, std::string(200'000, 'x')));
    setrlimit(RLIMIT_FSIZE, &old);
    ASSERT_FALSE(put.has_value());
    EXPECT_EQ(put.error().code, errc::resource_exhausted);
    EXPECT_EQ(put.error().reason, "store_full");
    ASSERT_FALSE(part.has_value());
    EXPECT_EQ(part.error().reason, "store_full");
    EXPECT_FALSE(fs::exists(root / "k"));
    EXPECT_EQ(count(root / ".tmp"), 0u);
    EXPECT_TRUE(run(store.list_parts("m", id))->empty());
}

TEST_F(file_store_test, a_root_that_cannot_be_made_is_unavailable) {
    std::ofstream(dir.path / "file") << "x";
    file_store store(dir.path / "file" / "bucket", pool);
    auto r = run(store.put("k", "x", put_mode::create_only));
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, errc::unavailable);
    auto id = run(store.begin_multipart("k", 1000));
    ASSERT_FALSE(id.has_value());
    EXPECT_EQ(id.error().code, errc::unavailable);
}

TEST(posix, errors_keep_a_full_disk_apart_from_other_trouble) {
    EXPECT_EQ(posix::to_error(ENOSPC, "x").reason, "store_full");
    EXPECT_EQ(posix::to_error(EDQUOT, "x").reason, "store_full");
    EXPECT_EQ(posix::to_error(EACCES, "x").code, errc::unavailable);
    EXPECT_EQ(posix::to_error(EIO, "x").code, errc::unavailable);
    EXPECT_EQ(posix::to_error(ENOENT, "x").code, errc::not_found);
}

TEST(leftovers, what_a_dead_process_left_is_seen_and_stays_until_somebody_tidies) {
    temp_dir dir;
    const auto root = dir.path.string();
    EXPECT_TRUE(find_leftovers(root).empty());
    fs::create_directories(dir.path / ".tmp");
    fs::create_directories(dir.path / ".multipart" / "abc");
    std::ofstream(dir.path / ".tmp" / "999999.token.1") << "half";
    std::ofstream(dir.path / ".multipart" / "abc" / "meta") << "some/key\n8388608\n";
    blocking_pool pool{1};
    {
        file_store untouched(root, pool, false);
    }
    const auto found = find_leftovers(root);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].what, leftover::kind::multipart);
    EXPECT_EQ(found[0].key, "some/key");
    EXPECT_EQ(found[1].path, ".tmp/999999.token.1");
    EXPECT_TRUE(remove_leftover(root, found[0]));
    EXPECT_EQ(find_leftovers(root).size(), 1u);
    {
        file_store tidied(root, pool);
    }
    EXPECT_TRUE(find_leftovers(root).empty());
}

}  // namespace
}  // namespace vora::blob
