#include "services/upload/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::upload::make_program());
}
