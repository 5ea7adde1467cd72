#include "libs/obs/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace vora::obs {

namespace {

class prometheus_counter final : public counter {
 public:
    explicit prometheus_counter(prometheus::Counter& c) : c_(c) {}
    void add(double n) override { c_.Increment(n); }

 private:
    prometheus::Counter& c_;
};

class prometheus_gauge final : public gauge {
 public:
    explicit prometheus_gauge(prometheus::Gauge& g) : g_(g) {}
    void set(double v) override { g_.Set(v); }
    void add(double n) override { g_.Increment(n); }

 private:
    prometheus::Gauge& g_;
};

class prometheus_histogram final : public histogram {
 public:
    explicit prometheus_histogram(prometheus::Histogram& h) : h_(h) {}
    void observe(double v) override { h_.Observe(v); }

 private:
    prometheus::Histogram& h_;
};

}  // namespace

struct metrics::state {
    // Insert: asking twice for a family of one name gives the same family.
    prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
    std::mutex lock;
    std::map<std::pair<std::string, labels>, std::unique_ptr<obs::counter>> counters;
    std::map<std::pair<std::string, labels>, std::unique_ptr<obs::gauge>> gauges;
    std::map<std::pair<std::string, labels>, std::unique_ptr<obs::histogram>> histograms;
};

metrics::metrics() : state_(std::make_unique<state>()) {}
metrics::~metrics() = default;

obs::counter& metrics::counter(const std::string& name, const std::string& help, const labels& l) {
    const std::lock_guard guard(state_->lock);
    auto& slot = state_->counters[{name, l}];
    if (!slot) {
        auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
        slot = std::make_unique<prometheus_counter>(family.Add(l));
    }
    return *slot;
}

obs::gauge& metrics::gauge(const std::string& name, const std::string& help, const labels& l) {
    const std::lock_guard guard(state_->lock);
    auto& slot = state_->gauges[{name, l}];
    if (!slot) {
        auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
        slot = std::make_unique<prometheus_gauge>(family.Add(l));
    }
    return *slot;
}

obs::histogram& metrics::histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& buckets, const labels& l) {
    const std::lock_guard guard(state_->lock);
    auto& slot = state_->histograms[{name, l}];
    if (!slot) {
        auto& family =
            prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
        slot = std::make_unique<prometheus_histogram>(family.Add(l, buckets));
    }
    return *slot;
}

std::string metrics::expose() const {
    return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::vector<double> seconds_buckets() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

}  // namespace vora::obs
