// SPDX-License-Identifier: Apache-2.0
#include "admin-api/families.hpp"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace loom {

void Families::counter(std::string name, std::string help) {
  families_.push_back({.name = std::move(name),
                       .help = std::move(help),
                       .type = prometheus::MetricType::Counter,
                       .metric = {}});
}

void Families::gauge(std::string name, std::string help) {
  families_.push_back({.name = std::move(name),
                       .help = std::move(help),
                       .type = prometheus::MetricType::Gauge,
                       .metric = {}});
}

void Families::add(Labels labels, double value) {
  prometheus::MetricFamily& family = families_.back();
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == prometheus::MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

std::string Families::text() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families_);
  return out.str();
}

}  // namespace loom
