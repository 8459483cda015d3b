// The two stream buffers that the cpprestsdk adapter hands to the library.

#pragma once

#include <cpprest/astreambuf.h>

#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace http {

using ByteBuffer = Concurrency::streams::details::basic_streambuf<uint8_t>;

/// What both buffers lack: positions, sizes, the other direction. Derived from basic_streambuf
/// directly because its usual base class closes itself with a blocking wait when a block fails,
/// which deadlocks a pool of one thread.
class OneWayBuffer : public ByteBuffer {
 public:
  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(size_t, std::ios_base::openmode) override {}
  bool is_open() const override { return open_; }
  pplx::task<void> close(std::ios_base::openmode) override {
    open_ = false;
    return pplx::task_from_result();
  }
  pplx::task<void> close(std::ios_base::openmode, std::exception_ptr failure) override {
    open_ = false;
    if (!failure_) failure_ = failure;
    return pplx::task_from_result();
  }
  std::exception_ptr exception() const override { return failure_; }
  pos_type getpos(std::ios_base::openmode) const override { return pos_type(traits::eof()); }
  utility::size64_t size() const override { return 0; }
  pos_type seekpos(pos_type, std::ios_base::openmode) override { return pos_type(traits::eof()); }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return pos_type(traits::eof());
  }
  pplx::task<void> sync() override { return pplx::task_from_result(); }
  uint8_t* alloc(size_t) override { return nullptr; }
  void commit(size_t) override {}
  bool acquire(uint8_t*& data, size_t& count) override {
    data = nullptr;
    count = 0;
    return false;
  }
  void release(uint8_t*, size_t) override {}

 protected:
  bool open_ = true;
  std::exception_ptr failure_;
};

/// Takes the bytes of an answer. A block is accepted once `take`'s task is done: back-pressure.
class Sink final : public OneWayBuffer {
 public:
  using Take = std::function<pplx::task<void>(const char*, size_t)>;
  explicit Sink(Take take) : take_(std::move(take)) {}

  bool can_read() const override { return false; }
  bool can_write() const override { return open_; }
  bool is_eof() const override { return false; }
  size_t in_avail() const override { return 0; }
  // Must not throw: the library would end the process.
  pplx::task<size_t> putn_nocopy(const uint8_t* data, size_t count) override {
    try {
      if (count > kLargestBlock) throw std::runtime_error("a block of more than 64 MiB");
      auto taken = take_(reinterpret_cast<const char*>(data), count);
      if (!taken.is_done()) return taken.then([count] { return count; });
      taken.get();
      return pplx::task_from_result(count);
    } catch (...) {
      return pplx::task_from_exception<size_t>(std::current_exception());
    }
  }
  pplx::task<size_t> putn(const uint8_t* data, size_t count) override {
    return putn_nocopy(data, count);
  }
  pplx::task<int_type> putc(uint8_t c) override {
    return putn(&c, 1).then([c](size_t) { return int_type(c); });
  }
  pplx::task<int_type> bumpc() override { return End(); }
  int_type sbumpc() override { return traits::eof(); }
  pplx::task<int_type> getc() override { return End(); }
  int_type sgetc() override { return traits::eof(); }
  pplx::task<int_type> nextc() override { return End(); }
  pplx::task<int_type> ungetc() override { return End(); }
  pplx::task<size_t> getn(uint8_t*, size_t) override { return pplx::task_from_result(size_t{0}); }
  size_t scopy(uint8_t*, size_t) override { return 0; }

 private:
  // A chunk size of "-1" reads as 2^64-1 in the library.
  static constexpr size_t kLargestBlock = 64u << 20;
  static pplx::task<int_type> End() { return pplx::task_from_result(int_type(traits::eof())); }
  Take take_;
};

/// Gives the bytes of a request. Not seekable on purpose: the library re-sends what it can rewind
/// when a reused connection breaks. `permit` is asked before the first byte and throws to refuse.
class Source final : public OneWayBuffer {
 public:
  Source(std::string body, std::function<void()> permit)
      : body_(std::move(body)), permit_(std::move(permit)) {}

  bool can_read() const override { return open_; }
  bool can_write() const override { return false; }
  bool is_eof() const override { return position_ >= body_.size(); }
  size_t in_avail() const override { return body_.size() - position_; }
  pplx::task<int_type> putc(uint8_t) override { return End(); }
  pplx::task<size_t> putn(const uint8_t*, size_t) override { return None(); }
  pplx::task<size_t> putn_nocopy(const uint8_t*, size_t) override { return None(); }
  pplx::task<int_type> bumpc() override { return pplx::task_from_result(sbumpc()); }
  int_type sbumpc() override { return is_eof() ? int_type(traits::eof()) : Byte(position_++); }
  pplx::task<int_type> getc() override { return pplx::task_from_result(sgetc()); }
  int_type sgetc() override { return is_eof() ? int_type(traits::eof()) : Byte(position_); }
  pplx::task<int_type> nextc() override {
    if (!is_eof()) ++position_;
    return getc();
  }
  pplx::task<int_type> ungetc() override { return End(); }
  pplx::task<size_t> getn(uint8_t* out, size_t count) override {
    try {
      if (position_ == 0) permit_();
    } catch (...) {
      return pplx::task_from_exception<size_t>(std::current_exception());
    }
    return pplx::task_from_result(scopy(out, count));
  }
  size_t scopy(uint8_t* out, size_t count) override {
    const size_t n = std::min(count, body_.size() - position_);
    std::memcpy(out, body_.data() + position_, n);
    position_ += n;
    return n;
  }

 private:
  static pplx::task<int_type> End() { return pplx::task_from_result(int_type(traits::eof())); }
  static pplx::task<size_t> None() { return pplx::task_from_result(size_t{0}); }
  int_type Byte(size_t i) const { return int_type(static_cast<uint8_t>(body_[i])); }

  std::string body_;
  std::function<void()> permit_;
  size_t position_ = 0;
};

}  // namespace http
