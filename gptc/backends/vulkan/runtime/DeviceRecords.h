//===- DeviceRecords.h - What checks found of devices ----------*- C++ -*-===//
//
// Kept as JSON in the user's cache folder, to be read and to be deleted:
//   {"devices": [{
//     "name": "NVIDIA H200", "driver": "NVIDIA 580.159.04",
//     "device_uuid": "3c36...", "driver_uuid": "...", "subgroup_size": 32,
//     "checks": [{
//       "variant": "hardware", "type": "f32", "suite": "9f02...",
//       "brief": false, "checked": 412,
//       "wrong": [{"case": "matmul/f32", "reason": "3 of 35 elements ..."}],
//       "milliseconds": {"time/prefill": 0.41}}]}]}
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICERECORDS_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICERECORDS_H

#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"
#include "gptc/runtime/artifact/Artifact.h"

#include <map>
#include <nlohmann/json_fwd.hpp>

namespace gptc::vulkan {

/// A case that a variant computed wrongly, or not at all.
struct WrongCase {
  std::string name;
  std::string reason;
};

/// What a check found of a variant.
struct VariantCheck {
  std::string variant; ///< "hardware".
  std::string type;    ///< Of products: "f32".
  std::string suite;   ///< Digest of the suite.
  bool isBrief = false;
  uint64_t checked = 0; ///< Cases that were run.
  std::vector<WrongCase> wrong;
  /// Of each timed entry; none after a brief check.
  std::map<std::string, double> milliseconds;

  /// Of all timed entries; 0 where none was timed.
  double totalMilliseconds() const;
  /// Whether it lets an unproven variant run: a full one, and all of it right.
  bool proves() const { return !isBrief && checked > 0 && wrong.empty(); }
};

/// As the file has it.
nlohmann::ordered_json jsonOf(const VariantCheck &check);

/// A device with its driver, and what was found of it.
struct DeviceRecord {
  std::string name, driver;
  std::string deviceUuid, driverUuid;
  uint32_t subgroupSize = 0;
  std::vector<VariantCheck> checks;

  static DeviceRecord of(const DeviceSnapshot &device);
  bool isOf(const DeviceSnapshot &device) const;
  /// The check of a variant with products in `type`; null where there is none
  /// of that suite. An empty suite is any.
  const VariantCheck *find(const std::string &variant, const std::string &type,
                           const std::string &suite) const;
  /// The checks of all variants with products in `type` by that suite; an empty
  /// one is any.
  std::vector<VariantCheck> checksOf(const std::string &type,
                                     const std::string &suite) const;
};

/// Not thread safe.
class DeviceRecords {
public:
  /// What the file says; nothing where there is no file, or where it is not
  /// one of ours: devices are then checked anew.
  static DeviceRecords load(const std::string &path);
  /// Parses the text of such a file. Corrupt where it is none.
  static Expected<DeviceRecords> parse(const std::string &text,
                                       const std::string &name);

  const std::vector<DeviceRecord> &devices() const { return devices_; }
  /// Null where the device with this driver was never checked.
  const DeviceRecord *find(const DeviceSnapshot &device) const;
  /// Takes a check in the place of an earlier one of the variant and type.
  void put(const DeviceSnapshot &device, VariantCheck check);
  std::string text() const;
  /// Writes the file whole or not at all, and makes its folder.
  Status save(const std::string &path) const;

private:
  std::vector<DeviceRecord> devices_;
};

/// "devices.json" in that folder.
std::string recordsPath(const std::string &cacheFolder);

/// What a variant needs that is not among the features.
std::vector<std::string> missingOf(const artifact::VariantT &variant,
                                   const std::vector<std::string> &features);

/// Whether a variant asks for something that no device has which gptc is tested
/// on: it is off until a check proves it on the device at hand.
bool isUnproven(const artifact::VariantT &variant);

/// The variant of a target that a device with these features is to run: of
/// those that it can run and that no check found wrong, nor left unproven, the
/// one that was measured to be the fastest; where not all were measured, the
/// target's first of those that a check found right, or of all. `name`, if not
/// empty, is the only one that counts, which is not kept from running by a
/// check. Unsupported where none is left, with what each lacks or gets wrong;
/// `device` and `artifact` are for that sentence.
Expected<const artifact::VariantT *>
chooseVariant(const artifact::TargetT &target,
              const std::vector<std::string> &features, const std::string &name,
              const std::vector<VariantCheck> &checks,
              const std::string &device, const std::string &artifact);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICERECORDS_H
