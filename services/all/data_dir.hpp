#pragma once
// DIR of `vora up`: who holds it, the keys in it, and the files others read (api.token, run.json).
//
//   lock              flock'ed by the holder, its pid inside
//   vora.toml         configuration, the operator's
//   api.token         an admin token (0600)
//   run.json          {pid, http, admin, grpc} while running
//   keys/             issuer.pem, grants.json, internal.secret, hook.secret (0600)
//   db/               metadata.sqlite, workflow.sqlite
//   store/            bucket-raw/, bucket-processed/
//   scratch/          the worker's job directories
//   events/           the spool of events, and engine/: what the event engine keeps
//   log/              vora.jsonl

#include "libs/auth/jwt.hpp"
#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <string>

namespace vora::all {

class data_dir {
 public:
    // Creates and locks it. already_exists ("data_dir_in_use") names the pid that holds it.
    static result<data_dir> open(const std::string& path);
    data_dir(data_dir&&) noexcept;
    ~data_dir();

    const std::string& path() const { return path_; }
    std::string file(const std::string& relative) const { return path_ + "/" + relative; }

    // 32 random bytes in hex, made at first use.
    result<std::string> secret(const std::string& relative) const;
    // Writes api.token unless a valid one with over 30 days left is there.
    result<void> ensure_api_token(const auth::token_issuer& issuer,
                                  const auth::token_verifier& verifier, timestamp now) const;
    result<void> write_run_file(const std::string& http, const std::string& admin,
                                const std::string& grpc = {}) const;
    void remove_run_file() const;

 private:
    data_dir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::string path_;
    int lock_ = -1;
};

// Writes a file of mode 0600 in one step: whole or not at all.
result<void> write_private_file(const std::string& path, const std::string& text);

}  // namespace vora::all
