//===- TemporaryFolder.h - Files of one test -------------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_TEMPORARYFOLDER_H
#define GPTC_TESTS_SUPPORT_TEMPORARYFOLDER_H

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace gptc {

/// A fresh folder that goes away with the object.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "gptc-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), name);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string &path() const { return path_; }
  std::string operator/(const std::string &name) const {
    return path_ + "/" + name;
  }
  /// Writes a file and returns its path.
  std::string write(const std::string &name, std::string_view content) const {
    std::ofstream(*this / name, std::ios::binary) << content;
    return *this / name;
  }
  std::string read(const std::string &name) const {
    return readFile(*this / name);
  }
  /// The content of any file.
  static std::string readFile(const std::string &path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
  }
  /// Number of names in the folder, hidden ones included.
  size_t count() const {
    auto list = std::filesystem::directory_iterator(path_);
    return size_t(std::distance(begin(list), end(list)));
  }

private:
  std::string path_;
};

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_TEMPORARYFOLDER_H
