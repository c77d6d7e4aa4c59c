//===- ParseModule.cpp ----------------------------------------------------===//

#include "gptc/compiler/ParseModule.h"

#include "gptc/frontend/Types.h"
#include "gptc/ir/Dialect.h"
#include "gptc/runtime/base/File.h"
#include "mlir/Parser/Parser.h"

namespace gptc {

namespace {

/// Modules of gptc nest some ten levels. MLIR needs about a kilobyte of stack
/// for each, of the eight megabytes that there usually are.
constexpr int mostLevels = 256;

/// Where `text` goes on after the string or comment that begins at `at`, or
/// `at` if none does.
size_t skipQuoted(llvm::StringRef text, size_t at) {
  if (text.substr(at).starts_with("//"))
    return std::min(text.find('\n', at), text.size());
  if (text[at] != '"')
    return at;
  for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
    at += text[at] == '\\';
  return std::min(at + 1, text.size());
}

/// How deep text nests outside of strings and comments: brackets, signs that
/// follow each other, and what aliases stand for (`#a1 = [#a0]`).
class Nesting {
public:
  explicit Nesting(llvm::StringRef text) : text(text) {}

  /// Where text first nests more than `mostLevels` deep, or its end.
  size_t findTooDeep() {
    for (size_t at = 0; at < text.size(); ++at) {
      size_t next = skipQuoted(text, at);
      if (next == at && (text[at] == '#' || text[at] == '!'))
        next = alias(at);
      if (next == at)
        symbol(at);
      else
        at = next - 1;
      if (depth > mostLevels || signs > mostLevels || tooDeep)
        return std::min(at, text.size());
    }
    return text.size();
  }

private:
  void symbol(size_t at) {
    char c = text[at];
    bool arrow = c == '>' && at > 0 && text[at - 1] == '-';
    if (llvm::StringRef("([{<").contains(c))
      ++depth;
    else if (llvm::StringRef(")]}>").contains(c) && !arrow)
      depth = std::max(0, depth - 1);
    if (c == '-')
      ++signs;
    else if (!llvm::isSpace(c))
      signs = 0;
  }

  /// Takes the alias at `at`, which is defined or used there.
  size_t alias(size_t at) {
    size_t end = at + 1;
    while (end < text.size() && (llvm::isAlnum(text[end]) ||
                                 llvm::StringRef("_$.").contains(text[end])))
      ++end;
    llvm::StringRef name = text.slice(at, end);
    if (depth == 0 && text.substr(end).ltrim().starts_with("=")) {
      defined = name;
      levels[defined] = 0;
    } else {
      int &most = levels[defined];
      most = std::max(most, depth + levels.lookup(name));
      tooDeep = tooDeep || most > mostLevels;
    }
    return end;
  }

  llvm::StringRef text;
  int depth = 0, signs = 0;
  bool tooDeep = false;
  llvm::StringRef defined; ///< The alias whose definition this may be.
  llvm::StringMap<int> levels;
};

/// The first errors of a text, and how many there are besides: what is left out
/// by mistake is missed wherever it is used.
std::string firstOf(std::vector<std::string> errors) {
  constexpr size_t most = 3;
  size_t left = errors.size() > most ? errors.size() - most : 0;
  errors.resize(errors.size() - left);
  std::string text = llvm::join(errors, "; ");
  return left == 0 ? text
                   : fmt::format("{}; and {} more error{}", text, left,
                                 left == 1 ? "" : "s");
}

Status checkNesting(llvm::StringRef text, const std::string &path) {
  size_t at = Nesting(text).findTooDeep();
  if (at == text.size())
    return {};
  return failure(ErrorCode::InvalidArgument,
                 "'{}' is no module: line {} nests more than {} levels deep, "
                 "which no module does",
                 path, text.take_front(at).count('\n') + 1, mostLevels);
}

/// Types that no graph makes would be counted wrongly later on.
Status checkSizes(mlir::ModuleOp module, const std::string &path) {
  mlir::Type large;
  auto look = [&](mlir::Type type) {
    auto shaped = llvm::dyn_cast<mlir::ShapedType>(type);
    if (!shaped || !shaped.hasStaticShape())
      return;
    TensorType tensor{DataType::F32, Shape(shaped.getShape().begin(),
                                           shaped.getShape().end())};
    if (tensor.elements() > mostElements)
      large = type;
  };
  module->walk([&](mlir::Operation *op) {
    if (auto variable = llvm::dyn_cast<ir::VariableOp>(op))
      look(variable.getTensorType());
    llvm::for_each(op->getResultTypes(), look);
    for (mlir::Region &region : op->getRegions())
      for (mlir::Block &block : region)
        llvm::for_each(block.getArgumentTypes(), look);
  });
  if (!large)
    return {};
  std::string text;
  llvm::raw_string_ostream(text) << large;
  return failure(ErrorCode::InvalidArgument,
                 "'{}' has a value of {}; a tensor has at most {} elements",
                 path, text, mostElements);
}

} // namespace

Expected<mlir::OwningOpRef<mlir::ModuleOp>>
parseModule(const std::string &path, mlir::MLIRContext &context) {
  GPTC_TRY(std::string text, readTextFile(path));
  // Bytecode is told by its first bytes, and nests where this cannot see it.
  if (llvm::StringRef(text).starts_with("ML\xefR"))
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is no module: it is bytecode, expected text as 'gptc "
                   "compile --to' writes it",
                   path);
  GPTC_CHECK(checkNesting(text, path));
  std::vector<std::string> errors;
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        std::string place;
        if (auto at =
                llvm::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
          place =
              fmt::format("line {}, column {}", at.getLine(), at.getColumn());
        else
          llvm::raw_string_ostream(place) << diagnostic.getLocation();
        errors.push_back(fmt::format("{}: {}", place, diagnostic.str()));
        return mlir::success();
      });
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context, path);
  if (!module)
    return failure(ErrorCode::InvalidArgument, "'{}' is no module: {}", path,
                   firstOf(errors));
  GPTC_CHECK(checkSizes(*module, path));
  return module;
}

} // namespace gptc
