#include "services/workflow/process/process.hpp"

int main(int argc, char** argv) {
    return vora::service::run(argc, argv, vora::workflow::make_program());
}
