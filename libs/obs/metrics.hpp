#pragma once
// Prometheus metrics. A name carries the service and the unit: vora_upload_received_bytes_total.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vora::obs {

using labels = std::map<std::string, std::string>;

class counter {
 public:
    virtual ~counter() = default;
    virtual void add(double n = 1) = 0;
};

class gauge {
 public:
    virtual ~gauge() = default;
    virtual void set(double v) = 0;
    virtual void add(double n) = 0;
};

class histogram {
 public:
    virtual ~histogram() = default;
    virtual void observe(double v) = 0;
};

// One per process. References stay valid as long as the registry. The same name and labels give the
// same metric. Label values come from small closed sets, never from outside. Any thread.
class metrics {
 public:
    metrics();
    ~metrics();
    metrics(const metrics&) = delete;

    obs::counter& counter(const std::string& name, const std::string& help, const labels& l = {});
    obs::gauge& gauge(const std::string& name, const std::string& help, const labels& l = {});
    obs::histogram& histogram(const std::string& name, const std::string& help,
                              const std::vector<double>& buckets, const labels& l = {});
    // The text exposition format.
    std::string expose() const;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

// Buckets for durations in seconds, 1 ms to 60 s.
std::vector<double> seconds_buckets();

}  // namespace vora::obs
