#include "cli/commands.hpp"

#include "cli/keys_command.hpp"
#include "cli/token_command.hpp"
#include "cli/upload_command.hpp"
#include "cli/videos_command.hpp"
#include "cli/workflows_command.hpp"

#include <CLI/CLI.hpp>

namespace vora::cli {

struct commands::state {
    upload_options upload;
    videos_options videos;
    token_options token;
    studio_options studio;
    keys_options keys;
    workflows_options workflows;
};

namespace {

void add_data(CLI::App* verb, std::string& data_dir) {
    verb->add_option("--data", data_dir,
                     "data directory of the server (else VORA_URL and VORA_TOKEN)");
}

void add_upload(CLI::App& app, upload_options& o, int& exit_code) {
    auto* verb = app.add_subcommand("upload", "upload a video; the same command again resumes");
    add_data(verb, o.data_dir);
    verb->add_option("file", o.file, "the file")->required();
    verb->add_option("--title", o.title, "default: the file's name");
    verb->add_option("--description", o.description);
    verb->add_flag("--public", o.is_public, "watchable without a token");
    verb->add_flag("--wait", o.wait, "wait until READY or FAILED (exit 1)");
    verb->add_flag("--json", o.json, "print the video object, no progress");
    verb->callback([&] { exit_code = run_upload(o); });
}

void add_videos(CLI::App& app, videos_options& o, int& exit_code) {
    auto* videos = app.add_subcommand("videos", "list, show or delete videos");
    videos->require_subcommand(1);
    auto* list = videos->add_subcommand("list", "newest first");
    add_data(list, o.data_dir);
    list->add_flag("--json", o.json);
    list->add_option("--state", o.state, "CREATED, PROCESSING, READY or FAILED");
    list->callback([&] { exit_code = run_videos_list(o); });
    auto* show = videos->add_subcommand("show", "everything about one video");
    add_data(show, o.data_dir);
    show->add_flag("--json", o.json);
    show->add_option("id", o.id)->required();
    show->callback([&] { exit_code = run_videos_show(o); });
    auto* remove = videos->add_subcommand("delete", "delete a video and all its bytes");
    add_data(remove, o.data_dir);
    remove->add_flag("--json", o.json);
    remove->add_option("id", o.id)->required();
    remove->callback([&] { exit_code = run_videos_delete(o); });
}

void add_token(CLI::App& app, token_options& o, int& exit_code) {
    auto* verb = app.add_subcommand("token", "mint an API token of the local issuer");
    verb->add_option("--data", o.data_dir, "data directory of the server")->capture_default_str();
    verb->add_option("--subject", o.subject, "whose token it is")->required();
    verb->add_option("--scope", o.scope, "admin, edit or view")->capture_default_str();
    verb->add_option("--ttl", o.ttl, "90s, 15m, 1h, 30d")->capture_default_str();
    verb->callback([&] { exit_code = run_token(o); });
}

CLI::App* add_run_verb(CLI::App* workflows, const char* name, const char* help,
                       workflows_options& o) {
    auto* verb = workflows->add_subcommand(name, help);
    verb->add_option("--data", o.data_dir, "data directory of the server")->capture_default_str();
    verb->add_flag("--json", o.json);
    return verb;
}

void add_workflows(CLI::App& app, workflows_options& o, int& exit_code) {
    auto* workflows = app.add_subcommand("workflows", "look into the workflow engine");
    workflows->require_subcommand(1);
    auto* list = add_run_verb(workflows, "list", "runs, newest first", o);
    list->add_option("--status", o.status,
                     "running, completed, failed, cancelled, terminated or timed_out");
    list->add_option("--video", o.video, "runs of this video");
    list->add_option("--limit", o.count_max, "at most so many")->capture_default_str();
    list->callback([&] { exit_code = run_workflows_list(o); });
    auto* show = add_run_verb(workflows, "show", "one run and what it waits for", o);
    show->add_option("id", o.id, "the workflow's id")->required();
    show->callback([&] { exit_code = run_workflows_show(o); });
    auto* history = add_run_verb(workflows, "history", "its events, in order", o);
    history->add_option("id", o.id, "the workflow's id")->required();
    history->callback([&] { exit_code = run_workflows_history(o); });
    auto* retry = add_run_verb(
        workflows, "retry",
        "process a video again that FAILED for our own reasons, under its next generation", o);
    retry->add_option("id", o.id, "the workflow's id: video-{id}-g{generation}")->required();
    retry->callback([&] { exit_code = run_workflows_retry(o); });
}

void add_keys(CLI::App& app, keys_options& o, int& exit_code) {
    auto* keys =
        app.add_subcommand("keys", "the keys that playback and upload grants are signed with");
    keys->require_subcommand(1);
    const auto verb = [&](const char* name, const char* help, int (*run)(const keys_options&)) {
        auto* v = keys->add_subcommand(name, help);
        v->add_option("--data", o.data_dir, "data directory of the server")->capture_default_str();
        v->callback([&o, &exit_code, run] { exit_code = run(o); });
        return v;
    };
    verb("list", "the live keys, oldest first", run_keys_list)->add_flag("--json", o.json);
    verb("rotate", "sign with a new key; up to three stay good, a running server follows at once",
         run_keys_rotate)
        ->add_flag("--json", o.json);
    verb("remove", "refuse what this key signed", run_keys_remove)
        ->add_option("id", o.id)
        ->required();
}

}  // namespace

commands::commands(CLI::App& app, int& exit_code) : state_(std::make_unique<state>()) {
    add_upload(app, state_->upload, exit_code);
    add_videos(app, state_->videos, exit_code);
    add_token(app, state_->token, exit_code);
    add_keys(app, state_->keys, exit_code);
    add_workflows(app, state_->workflows, exit_code);
    auto* studio = app.add_subcommand("studio", "print a fresh one-time link to the Studio");
    add_data(studio, state_->studio.data_dir);
    studio->callback([this, &exit_code] { exit_code = run_studio(state_->studio); });
}

commands::~commands() = default;

}  // namespace vora::cli
