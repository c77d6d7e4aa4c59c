//===- DeviceRecords.cpp --------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/DeviceRecords.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/ranges.h>
#include <functional>
#include <limits>

namespace gptc::vulkan {

namespace {

using Json = nlohmann::json;

constexpr size_t largestFile = size_t(8) << 20;

/// Reads members of an object, and remembers that one was missing or of
/// another type.
class Members {
public:
  Members(const Json &object, bool &fits)
      : object_(object), fits_(fits), isObject_(object.is_object()) {
    fits_ = fits_ && isObject_;
  }

  std::string text(const char *key) {
    const Json *value = find(key);
    if (value && value->is_string())
      return value->get<std::string>();
    fits_ = false;
    return {};
  }
  uint64_t whole(const char *key) {
    const Json *value = find(key);
    if (value && value->is_number_unsigned())
      return value->get<uint64_t>();
    fits_ = false;
    return 0;
  }
  bool flag(const char *key) {
    const Json *value = find(key);
    if (value && value->is_boolean())
      return value->get<bool>();
    fits_ = false;
    return false;
  }
  void forEach(const char *key, const std::function<void(const Json &)> &what) {
    const Json *value = find(key);
    if (!value || !value->is_array()) {
      fits_ = false;
      return;
    }
    for (const Json &one : *value)
      what(one);
  }
  const Json *find(const char *key) const {
    if (!isObject_)
      return nullptr;
    auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

private:
  const Json &object_;
  bool &fits_;
  bool isObject_;
};

VariantCheck checkOf(const Json &json, bool &fits) {
  Members members(json, fits);
  VariantCheck check;
  check.variant = members.text("variant");
  check.type = members.text("type");
  check.suite = members.text("suite");
  check.isBrief = members.flag("brief");
  check.checked = members.whole("checked");
  members.forEach("wrong", [&](const Json &one) {
    Members wrong(one, fits);
    check.wrong.push_back({wrong.text("case"), wrong.text("reason")});
  });
  fits = fits && check.wrong.size() <= check.checked;
  const Json *times = members.find("milliseconds");
  fits = fits && times && times->is_object();
  if (!fits)
    return check;
  for (const auto &[name, time] : times->items()) {
    fits = fits && time.is_number() && time.get<double>() >= 0;
    if (fits)
      check.milliseconds[name] = time.get<double>();
  }
  return check;
}

std::string driverOf(const DeviceSnapshot &device) {
  return device.driverInfo.empty()
             ? device.driverName
             : device.driverName + " " + device.driverInfo;
}

} // namespace

nlohmann::ordered_json jsonOf(const VariantCheck &check) {
  auto wrong = nlohmann::ordered_json::array();
  for (const WrongCase &one : check.wrong)
    wrong.push_back({{"case", one.name}, {"reason", one.reason}});
  auto times = nlohmann::ordered_json::object();
  for (const auto &[name, time] : check.milliseconds)
    times[name] = time;
  return {{"variant", check.variant}, {"type", check.type},
          {"suite", check.suite},     {"brief", check.isBrief},
          {"checked", check.checked}, {"wrong", wrong},
          {"milliseconds", times}};
}

double VariantCheck::totalMilliseconds() const {
  double total = 0;
  for (const auto &[name, time] : milliseconds)
    total += time;
  return total;
}

DeviceRecord DeviceRecord::of(const DeviceSnapshot &device) {
  return {device.name,
          driverOf(device),
          uuidText(device.deviceUuid),
          uuidText(device.driverUuid),
          device.subgroupSize,
          {}};
}

bool DeviceRecord::isOf(const DeviceSnapshot &device) const {
  DeviceRecord other = of(device);
  return name == other.name && driver == other.driver &&
         deviceUuid == other.deviceUuid && driverUuid == other.driverUuid &&
         subgroupSize == other.subgroupSize;
}

const VariantCheck *DeviceRecord::find(const std::string &variant,
                                       const std::string &type,
                                       const std::string &suite) const {
  for (const VariantCheck &check : checks)
    if (check.variant == variant && check.type == type &&
        (suite.empty() || check.suite == suite))
      return &check;
  return nullptr;
}

std::vector<VariantCheck>
DeviceRecord::checksOf(const std::string &type,
                       const std::string &suite) const {
  std::vector<VariantCheck> found;
  for (const VariantCheck &check : checks)
    if (check.type == type && (suite.empty() || check.suite == suite))
      found.push_back(check);
  return found;
}

DeviceRecords DeviceRecords::load(const std::string &path) {
  auto text = readTextFile(path, largestFile);
  if (!text)
    return {};
  auto records = parse(*text, path);
  return records ? std::move(*records) : DeviceRecords();
}

Expected<DeviceRecords> DeviceRecords::parse(const std::string &text,
                                             const std::string &name) {
  GPTC_TRY(Json json, parseJson(text, name));
  DeviceRecords records;
  bool fits = true;
  Members(json, fits).forEach("devices", [&](const Json &one) {
    Members members(one, fits);
    DeviceRecord record;
    record.name = members.text("name");
    record.driver = members.text("driver");
    record.deviceUuid = members.text("device_uuid");
    record.driverUuid = members.text("driver_uuid");
    uint64_t size = members.whole("subgroup_size");
    fits = fits && size <= std::numeric_limits<uint32_t>::max();
    record.subgroupSize = uint32_t(size);
    members.forEach("checks", [&](const Json &check) {
      record.checks.push_back(checkOf(check, fits));
    });
    records.devices_.push_back(std::move(record));
  });
  if (!fits)
    return failure(ErrorCode::Corrupt,
                   "'{}' is no list of checked devices; delete it, and run "
                   "'gptc devices --check'",
                   name);
  return records;
}

const DeviceRecord *DeviceRecords::find(const DeviceSnapshot &device) const {
  for (const DeviceRecord &record : devices_)
    if (record.isOf(device))
      return &record;
  return nullptr;
}

void DeviceRecords::put(const DeviceSnapshot &device, VariantCheck check) {
  auto record = std::find_if(devices_.begin(), devices_.end(),
                             [&](const auto &one) { return one.isOf(device); });
  if (record == devices_.end())
    record = devices_.insert(record, DeviceRecord::of(device));
  std::erase_if(record->checks, [&](const VariantCheck &earlier) {
    return earlier.variant == check.variant && earlier.type == check.type;
  });
  record->checks.push_back(std::move(check));
}

std::string DeviceRecords::text() const {
  auto list = nlohmann::ordered_json::array();
  for (const DeviceRecord &record : devices_) {
    auto checks = nlohmann::ordered_json::array();
    for (const VariantCheck &check : record.checks)
      checks.push_back(jsonOf(check));
    list.push_back({{"name", record.name},
                    {"driver", record.driver},
                    {"device_uuid", record.deviceUuid},
                    {"driver_uuid", record.driverUuid},
                    {"subgroup_size", record.subgroupSize},
                    {"checks", checks}});
  }
  nlohmann::ordered_json json{{"devices", list}};
  // What a driver calls its device need not be UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status DeviceRecords::save(const std::string &path) const {
  std::error_code code;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::filesystem::create_directories(folder, code);
  if (code)
    return tl::unexpected(
        systemError(code.value(), "make the folder", folder.string()));
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  const std::string content = text();
  GPTC_CHECK(file.write(std::as_bytes(std::span(content))));
  return file.commit();
}

std::string recordsPath(const std::string &cacheFolder) {
  return cacheFolder + "/devices.json";
}

std::vector<std::string> missingOf(const artifact::VariantT &variant,
                                   const std::vector<std::string> &features) {
  std::vector<std::string> missing;
  for (const std::string &one : variant.features)
    if (std::find(features.begin(), features.end(), one) == features.end())
      missing.push_back(one);
  return missing;
}

bool isUnproven(const artifact::VariantT &variant) {
  return std::any_of(
      variant.features.begin(), variant.features.end(),
      [](const std::string &one) { return feature::isUnproven(one); });
}

Expected<const artifact::VariantT *>
chooseVariant(const artifact::TargetT &target,
              const std::vector<std::string> &features, const std::string &name,
              const std::vector<VariantCheck> &checks,
              const std::string &device, const std::string &artifact) {
  struct Candidate {
    const artifact::VariantT *variant;
    bool isChecked;
    double milliseconds;
  };
  std::vector<Candidate> candidates;
  std::vector<std::string> reasons;
  bool checkHelps = false;
  for (const auto &variant : target.variants) {
    if (!name.empty() && variant->name != name)
      continue;
    std::vector<std::string> missing = missingOf(*variant, features);
    // That it is no software device is a preference: a variant that is named
    // runs there as well.
    if (!name.empty())
      std::erase(missing, feature::hardware);
    if (!missing.empty()) {
      reasons.push_back(fmt::format("variant '{}' needs {}, which it lacks",
                                    variant->name, fmt::join(missing, ", ")));
      continue;
    }
    auto check = std::find_if(
        checks.begin(), checks.end(),
        [&](const VariantCheck &one) { return one.variant == variant->name; });
    if (name.empty() && check != checks.end() && !check->wrong.empty()) {
      checkHelps = true;
      reasons.push_back(fmt::format("variant '{}' computes {} wrongly with "
                                    "this driver",
                                    variant->name, check->wrong[0].name));
      continue;
    }
    if (name.empty() && isUnproven(*variant) &&
        (check == checks.end() || !check->proves())) {
      checkHelps = true;
      reasons.push_back(
          fmt::format("variant '{}' is unproven there", variant->name));
      continue;
    }
    bool isChecked = check != checks.end();
    candidates.push_back(
        {variant.get(), isChecked, isChecked ? check->totalMilliseconds() : 0});
  }
  if (candidates.empty() && reasons.empty())
    return failure(ErrorCode::NotFound, "'{}' holds no Vulkan variant '{}'",
                   artifact, name);
  if (candidates.empty())
    return failure(
        ErrorCode::Unsupported,
        "the Vulkan device '{}' cannot run '{}': {}; {}", device, artifact,
        fmt::join(reasons, "; "),
        checkHelps
            ? "choose another device with --device, the CPU with --backend "
              "cpu, or update the driver and run 'gptc devices --check'"
            : "choose another device with --device, or compile in f32");
  bool measured =
      std::all_of(candidates.begin(), candidates.end(),
                  [](const Candidate &one) { return one.milliseconds > 0; });
  if (!measured) {
    // One that could not be checked is no match for one that was found right.
    auto first =
        std::find_if(candidates.begin(), candidates.end(),
                     [](const Candidate &one) { return one.isChecked; });
    return (first == candidates.end() ? candidates.front() : *first).variant;
  }
  return std::min_element(candidates.begin(), candidates.end(),
                          [](const Candidate &a, const Candidate &b) {
                            return a.milliseconds < b.milliseconds;
                          })
      ->variant;
}

} // namespace gptc::vulkan
