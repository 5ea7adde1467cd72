#pragma once
// gRPC: vora.metadata.v1.VideoService. The same core, rights, rules and rendering as rest_api.

#include "libs/obs/log.hpp"
#include "libs/obs/metrics.hpp"
#include "libs/rpc/server.hpp"
#include "services/metadata/core/commands.hpp"
#include "services/metadata/core/progress.hpp"
#include "services/metadata/handlers/authentication.hpp"
#include "services/metadata/handlers/video_json.hpp"

namespace vora::metadata {

struct bad_input;

class grpc_video_service {
 public:
    // `bases`: where uploads, playback and pages are; gRPC calls come to an address that has none.
    grpc_video_service(videos& all, commands& changes, progress_reader& progress,
                       authenticator& who, const auth::grant_keys& keys, const clock_source& clock,
                       url_bases bases, obs::logger log, obs::metrics& metrics);
    // The handlers refer to this object.
    rpc::service service();

 private:
    task<rpc::answer> create(rpc::call& c);
    task<rpc::answer> get(rpc::call& c);
    task<rpc::answer> list(rpc::call& c);
    task<rpc::answer> update(rpc::call& c);
    task<rpc::answer> remove(rpc::call& c);
    task<rpc::answer> complete(rpc::call& c);
    task<rpc::answer> playback(rpc::call& c);
    task<rpc::answer> cancel(rpc::call& c);

    task<result<caller>> admit(const rpc::call& c, auth::scope needed) const;
    rpc::answer refuse(const rpc::call& c, const error& e) const;
    task<rpc::answer> refuse_words(const rpc::call& c, caller who, std::string id,
                                   const bad_input& why);
    task<rpc::answer> answer(const rpc::call& c, video v);
    task<rpc::answer> answer(const rpc::call& c, change_answer done);
    rpc::answer rendered(const rpc::call& c, const video& v,
                         const std::optional<ingest_progress>& progress) const;

    videos& videos_;
    commands& changes_;
    progress_reader& progress_;
    authenticator& who_;
    const auth::grant_keys& keys_;
    const clock_source& clock_;
    url_bases bases_;
    obs::logger log_;
    obs::counter& created_;
    obs::counter& deleted_;
    obs::counter& cancelled_;
    obs::counter& replayed_;
};

}  // namespace vora::metadata
