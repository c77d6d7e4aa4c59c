// Takes the input for the file that checks of devices are kept in.

#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "tests/fuzz/Fuzz.h"

using namespace gptc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  auto records = vulkan::DeviceRecords::parse(text, "devices.json");
  if (!records) {
    requireSentence(records.error());
    return 0;
  }
  // What is read is what is read of what it is written as.
  std::string written = records->text();
  auto again = vulkan::DeviceRecords::parse(written, "again");
  require(again && again->text() == written);
  for (const vulkan::DeviceRecord &record : records->devices())
    for (const vulkan::VariantCheck &check : record.checks)
      require(check.totalMilliseconds() >= 0);
  return 0;
}
