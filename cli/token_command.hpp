#pragma once

#include <string>

namespace vora::cli {

struct token_options {
    std::string data_dir = "./vora-data";
    std::string subject;
    std::string scope = "view";
    std::string ttl = "1h";
};

// Mints a token with the local issuer's key in DIR; no server needs to run.
int run_token(const token_options& options);

struct studio_options {
    std::string data_dir;
};

// Prints a fresh one-time link to the Studio of the running server.
int run_studio(const studio_options& options);

}  // namespace vora::cli
