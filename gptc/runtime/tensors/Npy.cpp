//===- Npy.cpp ------------------------------------------------------------===//

#include "gptc/runtime/tensors/Npy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fmt/ranges.h>
#include <optional>
#include <string_view>
#include <utility>

namespace gptc {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr size_t maxRank = 32;
constexpr size_t dataAlignment = 64;

struct NpyType {
  std::string_view descr;
  DataType type;
};
/// As NumPy spells them; types of one byte have no byte order.
constexpr std::array<NpyType, 12> npyTypes = {{
    {"<f4", DataType::F32},
    {"<f8", DataType::F64},
    {"<f2", DataType::F16},
    {"|i1", DataType::I8},
    {"<i2", DataType::I16},
    {"<i4", DataType::I32},
    {"<i8", DataType::I64},
    {"|u1", DataType::U8},
    {"<u2", DataType::U16},
    {"<u4", DataType::U32},
    {"<u8", DataType::U64},
    {"|b1", DataType::Bool},
}};

/// What the header's dictionary says.
struct Header {
  std::string descr; ///< Empty for structured elements.
  bool fortranOrder = false;
  std::vector<uint64_t> shape;
};

/// Parses the three-entry dictionary literal and nothing beyond it. Every
/// method returns false at the first byte that does not belong.
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  bool parse(Header &header) {
    if (!symbol('{'))
      return false;
    while (!symbol('}')) {
      if (!entry(header))
        return false;
      if (symbol(','))
        continue;
      if (!symbol('}'))
        return false;
      break;
    }
    // Only NumPy's padding may follow.
    return text_.find_first_not_of(" \n") == std::string_view::npos &&
           hasDescr_ && hasOrder_ && hasShape_;
  }

private:
  bool symbol(char wanted) {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size()));
    if (text_.empty() || text_.front() != wanted)
      return false;
    text_.remove_prefix(1);
    return true;
  }

  bool word(std::string_view wanted) {
    if (!text_.starts_with(wanted))
      return false;
    text_.remove_prefix(wanted.size());
    return true;
  }

  bool string(std::string &value) {
    char quote = symbol('\'') ? '\'' : '"';
    if (quote == '"' && !symbol(quote))
      return false;
    size_t end = text_.find(quote);
    if (end == std::string_view::npos)
      return false;
    value = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return std::all_of(value.begin(), value.end(), [](char c) {
      return c >= ' ' && c <= '~' && c != '\\';
    });
  }

  bool entry(Header &header) {
    std::string key;
    if (!string(key) || !symbol(':'))
      return false;
    text_.remove_prefix(std::min(text_.find_first_not_of(' '), text_.size()));
    if (key == "descr" && !std::exchange(hasDescr_, true))
      return description(header.descr);
    if (key == "fortran_order" && !std::exchange(hasOrder_, true)) {
      header.fortranOrder = word("True");
      return header.fortranOrder || word("False");
    }
    return key == "shape" && !std::exchange(hasShape_, true) &&
           tuple(header.shape);
  }

  bool description(std::string &descr) {
    if (!text_.starts_with('['))
      return string(descr) && !descr.empty();
    // A list of fields: refused whatever it holds, so only its end matters.
    int depth = 0;
    for (size_t i = 0; i < text_.size(); ++i) {
      depth += text_[i] == '[' ? 1 : text_[i] == ']' ? -1 : 0;
      if (depth == 0) {
        text_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  bool tuple(std::vector<uint64_t> &shape) {
    if (!symbol('('))
      return false;
    bool comma = true;
    while (!symbol(')')) {
      uint64_t extent = 0;
      text_.remove_prefix(std::min(text_.find_first_not_of(' '), text_.size()));
      auto [end, code] =
          std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (!comma || code != std::errc() || shape.size() == maxRank)
        return false;
      text_.remove_prefix(size_t(end - text_.data()));
      shape.push_back(extent);
      comma = symbol(',');
    }
    // In Python (3) is no tuple, but (3,) is.
    return shape.size() != 1 || comma;
  }

  std::string_view text_;
  bool hasDescr_ = false, hasOrder_ = false, hasShape_ = false;
};

Expected<DataType> typeOf(const Header &header, const std::string &name) {
  if (header.descr.empty())
    return failure(ErrorCode::Unsupported,
                   "'{}' has structured elements (fields); save each field as "
                   "an array of its own: np.save(path, array['field'])",
                   name);
  const std::string &descr = header.descr;
  for (const NpyType &known : npyTypes)
    if (known.descr == descr)
      return known.type;
  if (descr.find('O') != std::string::npos)
    return failure(ErrorCode::Unsupported,
                   "'{}' holds pickled Python objects, and reading them runs "
                   "code from inside of it; save numbers instead: "
                   "np.save(path, array.astype('<f4'))",
                   name);
  if (descr.starts_with('>'))
    return failure(ErrorCode::Unsupported,
                   "'{}' is big-endian ('{}'); convert it: np.save(path, "
                   "array.astype('<{}'))",
                   name, descr, descr.substr(1));
  return failure(ErrorCode::Unsupported,
                 "'{}' has elements of type '{}', expected '<f4', '<f8', "
                 "'<f2', '<i2', '<i4', '<i8', '<u2', '<u4', '<u8', '|i1', "
                 "'|u1' or '|b1'; convert it: np.save(path, "
                 "array.astype('<f4'))",
                 name, descr);
}

/// Bytes of a dense array, or nothing when 64 bits cannot count them.
std::optional<uint64_t> bytesOf(DataType type,
                                const std::vector<uint64_t> &shape) {
  uint64_t bytes = sizeOf(type);
  bool fits = true;
  for (uint64_t extent : shape)
    fits &= !__builtin_mul_overflow(bytes, extent, &bytes);
  return fits ? std::optional(bytes) : std::nullopt;
}

} // namespace

Expected<NpyArray> parseNpy(std::span<const std::byte> bytes,
                            const std::string &name) {
  std::string_view file(reinterpret_cast<const char *>(bytes.data()),
                        bytes.size());
  auto damaged = [&](const std::string &what) {
    return failure(ErrorCode::Corrupt, "'{}' is damaged: {}", name, what);
  };
  if (!file.starts_with(magic))
    return failure(ErrorCode::Corrupt,
                   "'{}' is no .npy file: it does not begin as one; make one "
                   "with np.save",
                   name);
  if (file.size() < 10)
    return damaged("it ends inside of its header");
  unsigned major = static_cast<unsigned char>(file[6]);
  unsigned minor = static_cast<unsigned char>(file[7]);
  if (major < 1 || major > 3 || minor != 0)
    return failure(ErrorCode::Unsupported,
                   "'{}' has .npy format version {}.{}, expected 1.0, 2.0 or "
                   "3.0; save it again with np.save",
                   name, major, minor);
  size_t start = major == 1 ? 10 : 12;
  if (file.size() < start)
    return damaged("it ends inside of its header");
  uint32_t length = 0; // 16 bits in version 1, 32 bits since; little-endian.
  std::memcpy(&length, file.data() + 8, start - 8);
  if (length > file.size() - start)
    return damaged(fmt::format("its header should have {} bytes, the file has "
                               "{}",
                               length, file.size()));
  Header header;
  if (!HeaderParser(file.substr(start, length)).parse(header))
    return damaged("its header is not the dictionary of descr, fortran_order "
                   "and shape that np.save writes");
  GPTC_TRY(DataType type, typeOf(header, name));
  if (header.fortranOrder)
    return failure(ErrorCode::Unsupported,
                   "'{}' is in Fortran order; convert it: np.save(path, "
                   "np.ascontiguousarray(array))",
                   name);
  std::span<const std::byte> data = bytes.subspan(start + length);
  std::optional<uint64_t> needed = bytesOf(type, header.shape);
  if (!needed || *needed != data.size())
    return damaged(fmt::format(
        "its shape ({}) of {} asks for {} bytes of data, and it has {}",
        fmt::join(header.shape, ", "), toString(type),
        needed ? std::to_string(*needed) : "2^64 or more", data.size()));
  if (type == DataType::Bool &&
      std::any_of(data.begin(), data.end(),
                  [](std::byte value) { return value > std::byte{1}; }))
    return damaged("it has booleans other than 0 and 1");
  return NpyArray{type, std::move(header.shape), {data.begin(), data.end()}};
}

Expected<NpyArray> readNpy(const std::string &path) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  return parseNpy(file.bytes(), path);
}

Expected<AtomicFile> stageNpy(const std::string &path, const NpyArray &array) {
  const auto *known = std::find_if(
      npyTypes.begin(), npyTypes.end(),
      [&](const NpyType &candidate) { return candidate.type == array.type; });
  if (known == npyTypes.end())
    return failure(ErrorCode::Unsupported,
                   "cannot write '{}': .npy has no elements of type {}; "
                   "convert them to f32",
                   path, toString(array.type));
  if (array.shape.size() > maxRank)
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': it has {} dimensions, expected at most "
                   "{}",
                   path, array.shape.size(), maxRank);
  if (bytesOf(array.type, array.shape) != array.bytes.size())
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': shape ({}) of {} does not take {} bytes",
                   path, fmt::join(array.shape, ", "), toString(array.type),
                   array.bytes.size());
  std::string header = fmt::format(
      "{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
      known->descr, fmt::join(array.shape, ", "),
      array.shape.size() == 1 ? "," : "");
  size_t used = magic.size() + 4 + header.size() + 1;
  header.append((dataAlignment - used % dataAlignment) % dataAlignment, ' ');
  header += '\n';
  std::string start(magic);
  start +=
      {'\x01', '\x00', char(header.size() & 0xff), char(header.size() >> 8)};
  start += header;
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  GPTC_CHECK(file.write(std::as_bytes(std::span(start))));
  GPTC_CHECK(file.write(array.bytes));
  GPTC_CHECK(file.stage());
  return file;
}

Status writeNpy(const std::string &path, const NpyArray &array) {
  GPTC_TRY(AtomicFile file, stageNpy(path, array));
  return file.commit();
}

} // namespace gptc
