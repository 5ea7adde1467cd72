#include "services/event_engine/adapters/chdb_library.hpp"

#include <dlfcn.h>

namespace vora::event_engine {

namespace {

template <class F>
bool find(void* library, const char* name, F& into) {
    into = reinterpret_cast<F>(::dlsym(library, name));
    return into != nullptr;
}

}  // namespace

result<chdb_library> chdb_library::open(const std::string& path) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return fail(errc::unavailable, "event_engine_library", ::dlerror());
    }
    chdb_library l{};
    const bool whole =
        find(library, "chdb_set_signal_handlers_enabled", l.set_signal_handlers_enabled) &&
        find(library, "chdb_connect", l.connect) && find(library, "chdb_close_conn", l.close) &&
        find(library, "chdb_classify_query_n", l.classify) &&
        find(library, "chdb_query_with_params_n", l.query) &&
        find(library, "chdb_result_buffer", l.result_buffer) &&
        find(library, "chdb_result_length", l.result_length) &&
        find(library, "chdb_result_rows_written", l.result_rows_written) &&
        find(library, "chdb_result_error", l.result_error) &&
        find(library, "chdb_destroy_query_result", l.destroy_result) &&
        find(library, "chdb_stream_insert_n", l.insert_begin) &&
        find(library, "chdb_stream_append", l.insert_append) &&
        find(library, "chdb_stream_done", l.insert_done) &&
        find(library, "chdb_stream_insert_error", l.insert_error) &&
        find(library, "chdb_destroy_insert_stream", l.insert_destroy);
    if (!whole) {
        ::dlclose(library);
        return fail(errc::unavailable, "event_engine_library",
                    path + " is another version of the library");
    }
    return l;
}

}  // namespace vora::event_engine
