#include "services/dashboard/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::dashboard::make_program());
}
