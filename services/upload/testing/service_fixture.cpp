#include "services/upload/testing/service_fixture.hpp"

#include <cstring>
#include <sstream>

namespace vora::upload {

namespace fs = std::filesystem;

std::string make_bytes(std::size_t n, unsigned seed) {
    std::string bytes(n, '\0');
    std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        std::memcpy(bytes.data() + i, &x, 8);
    }
    for (; i < n; ++i) {
        bytes[i] = static_cast<char>(x >> (i % 8));
    }
    return bytes;
}

temp_dir::temp_dir() : path(fs::temp_directory_path() / ("vora_upload_" + random_hex(8))) {
    fs::create_directories(path);
}

temp_dir::~temp_dir() {
    fs::remove_all(path);
}

namespace {

task<> stop_group(task_group& group) {
    co_await group.stop();
}

task<> wait_until(const std::function<bool()>& holds) {
    while (!holds()) {
        co_await sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

void service_fixture::start() {
    files_on_disk = std::make_unique<blob::file_store>(dir.path, pool);
    store = std::make_unique<faulty_store<blob::file_store>>(*files_on_disk);
    files = std::make_unique<upload_files>(*store, *store, *store);
    service = std::make_unique<upload_service>(loop.executor(), *files, sink, clock, observed,
                                               limits, backoff, &space);
    group = std::make_unique<task_group>(loop.executor());
}

void service_fixture::stop() {
    loop.run_until_done(stop_group(*group));
    group.reset();
    service.reset();
    files.reset();
    store.reset();
    files_on_disk.reset();
}

void service_fixture::run_until(const std::function<bool()>& holds) {
    loop.run_until_done(wait_until(holds));
}

upload_id service_fixture::create(std::uint64_t length) {
    auto made = run(service->create(who, {length, ""}, nullptr));
    EXPECT_TRUE(made.has_value()) << reason(made);
    return made ? made->info.id : upload_id{};
}

result<upload_view> service_fixture::append(const upload_id& id, std::uint64_t offset,
                                            std::string_view bytes) {
    scripted_source source(bytes);
    return run(service->append(who, id, offset, source));
}

std::uint64_t service_fixture::offset_of(const upload_id& id) {
    auto view = head(id);
    EXPECT_TRUE(view.has_value()) << reason(view);
    return view ? view->offset : UINT64_MAX;
}

std::string service_fixture::file_of(const upload_id& id) const {
    std::ifstream in(path_of(id, "original.bin"), std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

std::vector<std::string> service_fixture::names_of(const upload_id& id) const {
    std::vector<std::string> names;
    if (fs::exists(dir.path / id.value)) {
        for (const auto& e : fs::directory_iterator(dir.path / id.value)) {
            names.push_back(e.path().filename());
        }
    }
    std::ranges::sort(names);
    return names;
}

std::size_t service_fixture::multiparts() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(dir.path / ".multipart"), {}));
}

void service_fixture::deliver_hooks() {
    task_group hooks(loop.executor());
    hooks.spawn(service->hooks().run());
    run_until([&] { return service->hooks().size() == 0; });
    loop.run_until_done(stop_group(hooks));
}

}  // namespace vora::upload
