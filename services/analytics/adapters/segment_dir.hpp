#pragma once
// The files of the spool. Blocking; called on the pool. Below the directory:
//
//   segment-NNNNNNNNNNNN   core/record.hpp; written by appending, removed when drained
//   state                  core/spool_state.hpp in two slots, written in turn
//   quarantine/            rows that ClickHouse refuses, RowBinary, one a file
//
// The state is overwritten in place and never renamed: on a full disk there is no room for a second
// file, and without the state nothing could be drained to make room. A torn write leaves the other
// slot. Errors: resource_exhausted ("spool_full"), unavailable ("spool_error"), data_loss
// ("spool_unreadable").

#include "libs/base/result.hpp"
#include "services/analytics/core/record.hpp"
#include "services/analytics/core/spool_state.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vora::analytics {

class spool_file {
 public:
    explicit spool_file(int fd) : fd_(fd) {}
    ~spool_file();
    spool_file(const spool_file&) = delete;

    result<void> write_at(std::uint64_t offset, std::string_view bytes) const;
    result<void> cut_to(std::uint64_t size) const;
    result<void> sync() const;

 private:
    int fd_;
};

struct found_segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
};

struct opened_spool {
    std::shared_ptr<spool_file> state_file;
    std::optional<spool_state> state;     // absent: none was ever written, or none can be read
    bool state_damaged = false;           // it is absent although something was written
    std::vector<found_segment> segments;  // in order
    std::string id_of_segments;           // "" when none has a right header
    std::uint64_t quarantined_files = 0;
};

struct scanned_segment {
    std::optional<segment_header> header;
    std::uint64_t end_row = 0;
    std::uint64_t good_end = 0;  // offset behind the last whole record
};

class segment_dir {
 public:
    explicit segment_dir(std::string path) : path_(std::move(path)) {}

    const std::string& path() const { return path_; }
    // Makes the directories and the state file where they are missing.
    result<opened_spool> open() const;
    result<std::shared_ptr<spool_file>> create(const segment_header& h) const;
    // Bytes [from, to); fewer when the file ends before.
    result<std::string> read(std::uint64_t number, std::uint64_t from, std::uint64_t to) const;
    // Which rows are in it, damaged or not; reads it whole.
    result<scanned_segment> scan(std::uint64_t number) const;
    void remove(std::uint64_t number) const;
    static result<void> write_state(const spool_file& file, const spool_state& s);
    // Idempotent: the name is the row's place.
    result<void> put_aside(std::uint64_t segment, std::uint64_t row, std::string_view bytes) const;
    // New and removed files survive a power cut from here on.
    void sync() const;

 private:
    std::string file_of(std::uint64_t number) const;
    result<void> open_state(opened_spool& spool) const;
    void find_segments(opened_spool& spool) const;

    std::string path_;
};

}  // namespace vora::analytics
