#include "services/gateway/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::gateway::make_program());
}
