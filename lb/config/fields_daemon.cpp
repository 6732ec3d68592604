// SPDX-License-Identifier: Apache-2.0
// Keys of the field table: the daemon itself.
#include "lb/config/field_tables.hpp"

namespace loom {
namespace {

using T = FieldType;
using S = FieldStatus;

constexpr Field kFields[] = {
    {"admin", T::kMap, S::kBuilt, "", "", "The admin API."},
    {"admin.listen", T::kListen, S::kBuilt, "127.0.0.1:9091", "",
     "Address and port; loopback only, because there are no tokens yet."},
    {"admin.socket", T::kMap, S::kNotBuilt, "", "", "Unix socket.", "the API listens on TCP only"},
    {"admin.socket.path", T::kText, S::kNotBuilt, "", "1..107", "Its path."},
    {"admin.socket.mode", T::kText, S::kNotBuilt, "", "1..4", "Its file mode, quoted: \"0660\"."},
    {"admin.socket.group", T::kText, S::kNotBuilt, "", "1..32", "Its group."},
    {"admin.token_file", T::kText, S::kNotBuilt, "", "1..255",
     "File with the token that clients must send.", "no token is asked for on loopback"},
    {"admin.tls", T::kMap, S::kNotBuilt, "", "", "TLS.", "the API speaks plain HTTP on loopback"},
    {"admin.tls.cert", T::kText, S::kNotBuilt, "", "1..255", "PEM file."},
    {"admin.tls.key", T::kText, S::kNotBuilt, "", "1..255", "PEM file."},
    {"admin.tls.client_ca", T::kText, S::kNotBuilt, "", "1..255", "PEM file."},
    {"admin.allowed_hosts", T::kList, S::kNotBuilt, "[]", "", "Host names clients may use."},
    {"admin.allowed_hosts[]", T::kText, S::kNotBuilt, "", "1..253", "A name."},
    {"admin.persist", T::kBool, S::kBuilt, "true", "",
     "Changes through the API survive a restart."},
    {"log", T::kMap, S::kBuilt, "", "", "Logging."},
    {"log.level", T::kChoice, S::kBuilt, "info", "debug|info|warning|error",
     "What is worth a line."},
    {"log.format", T::kChoice, S::kBuilt, "auto", "auto|text|json", "`auto`: text."},
    {"runtime", T::kMap, S::kBuilt, "", "", "Where things are kept."},
    {"runtime.pin_path", T::kText, S::kBuilt, "/sys/fs/bpf/loom", "1..255",
     "Directory of the pins; absolute, on a bpffs."},
    {"runtime.state_dir", T::kText, S::kBuilt, "/var/lib/loom", "1..255",
     "Directory of what the API changed (overlay.json); absolute."},
    {"runtime.on_exit", T::kChoice, S::kBuilt, "keep", "keep|detach",
     "`keep`: traffic flows on without the daemon."},
};

}  // namespace

std::span<const Field> fields_daemon() {
  return kFields;
}

}  // namespace loom
