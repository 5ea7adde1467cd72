#include "services/worker/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::worker::make_program());
}
