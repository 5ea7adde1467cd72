#pragma once
// libchdb.so, opened at run time. The package ships no header; these are its functions that we use
// (chdb-core, programs/local/chdb.h, C ABI).

#include "libs/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace vora::event_engine {

struct chdb_connection_data;  // opaque
struct chdb_result;
struct chdb_insert_stream_data;
using chdb_connection = chdb_connection_data*;
using chdb_insert_stream = chdb_insert_stream_data*;

struct chdb_query_analysis {
    std::uint32_t struct_size = sizeof(chdb_query_analysis);
    std::uint32_t statement_count = 0;
    std::uint32_t flags = 0;
    std::uint32_t query_class = 4;  // 0 read-only, 1 changes a database, more: something else
};

struct chdb_library {
    // unavailable ("event_engine_library"): not there, or not this library.
    static result<chdb_library> open(const std::string& path);

    void (*set_signal_handlers_enabled)(int);
    // A pointer to the connection; null when the path cannot be opened or is held by another.
    chdb_connection* (*connect)(int argc, char** argv);
    void (*close)(chdb_connection*);
    int (*classify)(chdb_connection, const char* sql, std::size_t, const char* database,
                    std::size_t, chdb_query_analysis*);
    chdb_result* (*query)(chdb_connection, const char* sql, std::size_t, const char* format,
                          std::size_t, const char* const* names, const std::size_t* name_sizes,
                          const char* const* values, const std::size_t* value_sizes,
                          std::size_t count);
    char* (*result_buffer)(chdb_result*);
    std::size_t (*result_length)(chdb_result*);
    std::uint64_t (*result_rows_written)(chdb_result*);
    const char* (*result_error)(chdb_result*);
    void (*destroy_result)(chdb_result*);
    // Never null; `head` has no FORMAT and no data.
    chdb_insert_stream (*insert_begin)(chdb_connection, const char* head, std::size_t,
                                       const char* format, std::size_t);
    int (*insert_append)(chdb_insert_stream, const void* rows, std::size_t);  // 0 = taken
    chdb_result* (*insert_done)(chdb_insert_stream);
    const char* (*insert_error)(chdb_insert_stream);
    void (*insert_destroy)(chdb_insert_stream);
};

}  // namespace vora::event_engine
