// Secret: a text that cannot be printed.

#pragma once

#include <string>
#include <utility>

namespace base {

/// Holds a credential. It has no stream operator and no formatter, so it cannot reach a log, an
/// event or an error text (S11) unless somebody writes Reveal(). Its memory is wiped when it is
/// replaced or destroyed.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : text_(other.text_) { other.Wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { Wipe(); }

  /// The text itself: for signing and for the Authorization header only.
  const std::string& Reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  void Wipe();
  std::string text_;
};

}  // namespace base
