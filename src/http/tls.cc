#include "http/tls.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <filesystem>
#include <string>

namespace http {
namespace {

// Where the distributions keep the bundle of trusted certificates.
constexpr const char* kBundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                    "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

base::Error Unreadable(const char* what) {
  return {.code = base::Code::kInvalidArgument,
          .message = std::string(what) + " holds no PEM that OpenSSL can read"};
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
Bio Open(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), int(text.size())), &BIO_free};
}

bool AddCertificates(X509_STORE* store, const std::string& pem) {
  const Bio bio = Open(pem);
  int count = 0;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    count += X509_STORE_add_cert(store, certificate);
    X509_free(certificate);
  }
  return count > 0;
}

void AddSystemCertificates(X509_STORE* store) {
  for (const char* bundle : kBundles) {
    std::error_code failure;
    if (!std::filesystem::exists(bundle, failure)) continue;
    X509_STORE_load_locations(store, bundle, nullptr);
    return;
  }
}

}  // namespace

base::Result<std::shared_ptr<TlsMaterial>> TlsMaterial::Load(const Tls& tls) {
  auto material = std::make_shared<TlsMaterial>();
  material->server_name_ = tls.server_name;
  material->store_ = {X509_STORE_new(), &X509_STORE_free};
  if (tls.ca_pem.empty()) {
    AddSystemCertificates(material->store_.get());
  } else if (!AddCertificates(material->store_.get(), tls.ca_pem)) {
    return Unreadable("the certificate authority");
  }
  if (tls.client_certificate_pem.empty()) return material;
  const Bio certificate = Open(tls.client_certificate_pem);
  material->certificate_ = {PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr),
                            &X509_free};
  if (!material->certificate_) return Unreadable("the client certificate");
  const Bio key = Open(tls.client_key_pem.Reveal());
  material->key_ = {PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
  if (!material->key_) return Unreadable("the client key");
  return material;
}

void TlsMaterial::Apply(SSL_CTX* context) const {
  SSL_CTX_set1_cert_store(context, store_.get());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (certificate_) {
    SSL_CTX_use_certificate(context, certificate_.get());
    SSL_CTX_use_PrivateKey(context, key_.get());
  }
}

}  // namespace http
