// SPDX-License-Identifier: Apache-2.0
// A list of metric families, built family by family.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace loom {

using Labels = std::vector<prometheus::ClientMetric::Label>;

class Families {
 public:
  /// Following add() calls belong to this family.
  void counter(std::string name, std::string help);
  void gauge(std::string name, std::string help);
  void add(Labels labels, double value);

  // Beyond 2^53 a double loses single packets, at 15 Mpps after 19 years.
  void add(Labels labels, uint64_t value) { add(std::move(labels), static_cast<double>(value)); }

  [[nodiscard]] std::string text() const;

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace loom
