#pragma once
// One upload in the object store:
//
//   {upload_id}/.info                     the record, see records.hpp; first object made, so that
//   keys
//                                         without it are left-overs
//   {upload_id}/.hook                     an end that is still to be told
//   {upload_id}/.tail-{from}-{to}         received bytes of a part that is not full yet
//   {upload_id}/{object_name}             the file, create-only, by completing the multipart
//   a multipart of that key               full parts; begun with the first of them
//
// Errors of the store come out as unavailable ("storage_unavailable"), resource_exhausted
// ("store_full") or data_loss ("upload_damaged": bytes that were acknowledged are gone, or a record
// does not read back). Calls that write need the upload's lock.

#include "libs/blob/blob.hpp"
#include "services/upload/core/part_plan.hpp"
#include "services/upload/core/records.hpp"
#include "services/upload/core/upload.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vora::upload {

// What the store holds of an upload.
struct upload_snapshot {
    upload_info info;
    std::vector<blob::part_info> run{};  // full parts from the first
    std::vector<extent> tails{};
    bool object_present = false;  // with the right size
    std::uint64_t offset = 0;     // durable bytes from the start, without a gap

    part_plan plan() const { return {info.length, info.part_bytes}; }
};

class upload_files {
 public:
    upload_files(blob::reader& reader, blob::writer& writer, blob::remover& remover);

    // not_found ("no_such_upload").
    task<result<upload_info>> read_info(upload_id id);
    task<result<void>> create_info(upload_info info);
    task<result<void>> update_info(upload_info info);

    // Reads everything anew; the offset is counted, never believed. Also without the lock: the
    // answer is then one that was true at some time during the call.
    task<result<upload_snapshot>> load(upload_id id);
    // Whether the object is there with exactly the upload's size; data_loss when the size is
    // another.
    task<result<bool>> has_object(upload_info info);

    // Makes the tail [from, from + bytes.size()) durable.
    task<result<void>> put_tail(upload_id id, std::uint64_t from, std::span<const char> bytes);
    // Reads [from, from + into.size()) from tails that cover it.
    task<result<void>> read_tails(upload_id id, std::vector<extent> tails, std::uint64_t from,
                                  std::span<char> into);
    // Left-overs do no harm, so failures are not reported.
    task<> remove_tails(upload_id id, std::vector<extent> tails);

    // Makes part `index` durable; begins the multipart where there is none and notes it in info.
    task<result<blob::part_info>> put_part(upload_info& info, std::uint64_t index,
                                           std::span<const char> bytes);
    // Makes the object of the parts (or an empty one); success when it is already there.
    task<result<void>> complete(upload_info info, std::vector<blob::part_info> parts);
    // Multipart and tails; not the records.
    task<result<void>> discard_bytes(upload_info info);
    // All that bears the id.
    task<result<void>> remove_all(upload_id id);

    task<result<void>> put_marker(upload_id id, hook_marker marker);
    task<result<std::optional<hook_marker>>> read_marker(upload_id id);
    task<result<void>> remove_marker(upload_id id);

    // Pages through the ids that own keys here: for each the names below it. `after` is a key.
    struct listed {
        std::vector<std::pair<upload_id, std::string>> names;
        std::string last_key;  // empty at the end
    };
    task<result<listed>> list(std::string after);

 private:
    blob::reader& reader_;
    blob::writer& writer_;
    blob::remover& remover_;
};

}  // namespace vora::upload
