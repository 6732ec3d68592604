// SPDX-License-Identifier: Apache-2.0
#include "lb/model/overlay.hpp"

#include <gtest/gtest.h>

#include "support/values.hpp"

namespace loom {
namespace {

using test::backend;
using test::ep;
using test::service;

Spec file() {
  Spec spec;
  spec.services = {service("web", "203.0.113.1", Forwarding::kNat,
                           {backend("10.0.0.1:80"), backend("10.0.0.2:80")})};
  return spec;
}

TEST(Overlay, AddsChangesAndRemoves) {
  Overlay overlay;
  overlay.services["web"][ep("10.0.0.1:80")].weight = 7;
  overlay.services["web"][ep("10.0.0.2:80")].removed = true;
  overlay.services["web"][ep("10.0.0.3:80")].added = backend("10.0.0.3:80", 5);
  const Spec spec = overlay.apply(file());
  ASSERT_EQ(spec.services[0].backends.size(), 2u);
  EXPECT_EQ(spec.services[0].backends[0].weight, 7u);
  EXPECT_EQ(spec.services[0].backends[1].endpoint, ep("10.0.0.3:80"));
  EXPECT_EQ(overlay.objects(), 3u);
}

TEST(Overlay, ChangesTheBackendItAdded) {
  Overlay overlay;
  overlay.services["web"][ep("10.0.0.3:80")].added = backend("10.0.0.3:80", 5);
  overlay.services["web"][ep("10.0.0.3:80")].state = AdminState::kDrain;
  EXPECT_EQ(overlay.apply(file()).services[0].backends[2].state, AdminState::kDrain);
}

TEST(Overlay, OfThingsTheFileNoLongerHasIsWithoutEffect) {
  Overlay overlay;
  overlay.services["gone"][ep("10.0.0.1:80")].weight = 7;
  overlay.services["web"][ep("10.0.0.9:80")].weight = 7;
  EXPECT_EQ(overlay.apply(file()).services, file().services);
}

TEST(NormalizeBackend, DsrPortMustBeTheServicesAndIsDropped) {
  const ServiceSpec dsr = service("web", "203.0.113.1", Forwarding::kIpip, {});
  BackendSpec same = backend("10.0.0.1:80");
  ASSERT_TRUE(normalize_backend(dsr, same));
  EXPECT_EQ(same.endpoint.port, 0);
  BackendSpec other = backend("10.0.0.1:8080");
  const Result<void> refused = normalize_backend(dsr, other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), EINVAL);
}

TEST(NormalizeBackend, RefusesAddressesNothingCanBeSentTo) {
  const ServiceSpec nat = service("web", "203.0.113.1", Forwarding::kNat, {});
  for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "::1"}) {
    BackendSpec bad = backend(address);
    EXPECT_FALSE(normalize_backend(nat, bad)) << address;
  }
  BackendSpec heavy = backend("10.0.0.1:80", kMaxWeight + 1);
  EXPECT_FALSE(normalize_backend(nat, heavy));
}

}  // namespace
}  // namespace loom
