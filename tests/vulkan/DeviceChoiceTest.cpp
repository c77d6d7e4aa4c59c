//===- DeviceChoiceTest.cpp - Which device is taken, without one ----------===//

#include "gptc/backends/vulkan/runtime/DeviceChoice.h"

#include <gmock/gmock.h>
#include <vulkan/vulkan_core.h>

namespace gptc::vulkan {
namespace {

using testing::HasSubstr;

DeviceSnapshot device(const std::string &name, DeviceKind kind,
                      const std::string &pci = "", uint32_t driver = 0) {
  DeviceSnapshot snapshot;
  snapshot.name = name;
  snapshot.kind = kind;
  snapshot.pci = pci;
  snapshot.driver = driver;
  snapshot.driverName = "driver of " + name;
  snapshot.apiVersion = VK_API_VERSION_1_3;
  snapshot.bufferDeviceAddress = snapshot.timelineSemaphore = true;
  snapshot.invocations = snapshot.workgroupSize = 1024;
  snapshot.workgroupMemory = 49152;
  snapshot.computes = true;
  snapshot.deviceUuid[0] = uint8_t(name.size());
  snapshot.deviceUuid[15] = 0xab;
  return snapshot;
}

DeviceSnapshot software() { return device("llvmpipe", DeviceKind::Software); }
DeviceSnapshot integrated() {
  return device("Radeon 780M", DeviceKind::Integrated, "0000:04:00.0");
}
DeviceSnapshot discrete() {
  return device("GeForce RTX 4090", DeviceKind::Discrete, "0000:01:00.0");
}

std::optional<size_t> best(std::vector<DeviceSnapshot> devices) {
  return rankDevices(devices).best;
}

std::string errorOf(const std::vector<DeviceSnapshot> &devices,
                    const std::string &wanted) {
  auto chosen = chooseDevice(devices, wanted);
  return chosen ? fmt::format("device {}", *chosen) : chosen.error().message();
}

TEST(DeviceChoice, DiscreteComesBeforeIntegratedBeforeSoftware) {
  EXPECT_EQ(best({software(), integrated(), discrete()}), 2u);
  EXPECT_EQ(best({software(), integrated()}), 1u);
  EXPECT_EQ(best({discrete(), integrated(), software()}), 0u);
  EXPECT_EQ(best({software()}), 0u);
  EXPECT_EQ(best({}), std::nullopt);
}

TEST(DeviceChoice, TheFirstOfEquals) {
  DeviceSnapshot second =
      device("GeForce RTX 3060", DeviceKind::Discrete, "0000:02:00.0");
  EXPECT_EQ(best({second, discrete()}), 0u);
  EXPECT_EQ(best({discrete(), second}), 0u);
}

TEST(DeviceChoice, ReasonsSayWhyTheOthersAreNotTaken) {
  DeviceSnapshot old = device("Old", DeviceKind::Discrete, "0000:09:00.0");
  old.apiVersion = VK_MAKE_API_VERSION(0, 1, 1, 130);
  std::vector<DeviceSnapshot> devices{old, software(), discrete(),
                                      integrated()};
  Ranking ranking = rankDevices(devices);
  EXPECT_EQ(ranking.best, 2u);
  EXPECT_EQ(ranking.reasons[0], "lacks Vulkan 1.2 (its driver offers 1.1.130)");
  EXPECT_EQ(ranking.reasons[1],
            "is software, which is used only when named or alone");
  EXPECT_EQ(ranking.reasons[2], "");
  EXPECT_EQ(ranking.reasons[3],
            "is of a kind, integrated GPU, that comes after a discrete GPU");
}

TEST(DeviceChoice, OfTwoDriversForOneGpuTheKnownOne) {
  DeviceSnapshot radv = device("Radeon RX 7900 (RADV)", DeviceKind::Discrete,
                               "0000:03:00.0", VK_DRIVER_ID_MESA_RADV);
  DeviceSnapshot other = device("Radeon RX 7900", DeviceKind::Discrete,
                                "0000:03:00.0", VK_DRIVER_ID_AMD_OPEN_SOURCE);
  EXPECT_EQ(best({other, radv}), 1u);
  EXPECT_EQ(best({radv, other}), 0u);
  std::vector<DeviceSnapshot> devices{other, radv};
  EXPECT_THAT(rankDevices(devices).reasons[0],
              HasSubstr("is the same GPU by another driver"));
  // Both have the name; they are one device.
  EXPECT_EQ(errorOf(devices, "RX 7900"), "device 1");
  // A driver that lacks something does not stand in the way.
  devices[1].timelineSemaphore = false;
  EXPECT_EQ(rankDevices(devices).best, 0u);
  EXPECT_EQ(errorOf(devices, "RX 7900"), "device 0");
}

TEST(DeviceChoice, ByNumberNameAddressAndUuid) {
  std::vector<DeviceSnapshot> devices{software(), integrated(), discrete()};
  EXPECT_EQ(errorOf(devices, ""), "device 2");
  EXPECT_EQ(errorOf(devices, "0"), "device 0");
  EXPECT_EQ(errorOf(devices, "llvm"), "device 0");
  EXPECT_EQ(errorOf(devices, "radeon"), "device 1");
  // A number that is no device's may be part of a name.
  EXPECT_EQ(errorOf(devices, "780"), "device 1");
  EXPECT_EQ(errorOf(devices, "0000:04:00.0"), "device 1");
  EXPECT_EQ(errorOf(devices, "01:00.0"), "device 2");
  EXPECT_EQ(errorOf(devices, uuidText(discrete().deviceUuid)), "device 2");
}

TEST(DeviceChoice, NotThereDiffersFromNotUsable) {
  std::vector<DeviceSnapshot> devices{software(), integrated(), discrete()};
  devices[1].bufferDeviceAddress = false;
  devices[1].invocations = 128;
  auto missing = chooseDevice(devices, "Arc");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_THAT(missing.error().message(),
              HasSubstr("0 'llvmpipe', 1 'Radeon 780M'"));
  auto unusable = chooseDevice(devices, "1");
  ASSERT_FALSE(unusable);
  EXPECT_EQ(unusable.error().code(), ErrorCode::Unsupported);
  EXPECT_THAT(unusable.error().message(),
              HasSubstr("lacks buffer device addresses, workgroups of 256 (it "
                        "offers 128); update its driver"));
  EXPECT_THAT(errorOf(devices, "3"), HasSubstr("there is no Vulkan device 3"));
  EXPECT_THAT(errorOf(devices, "e"), HasSubstr("means several"));
  EXPECT_THAT(errorOf({}, ""), HasSubstr("offer no device"));
  devices = {integrated()};
  devices[0].timelineSemaphore = false;
  EXPECT_THAT(errorOf(devices, ""),
              HasSubstr("'Radeon 780M' lacks timeline semaphores"));
}

} // namespace
} // namespace gptc::vulkan
