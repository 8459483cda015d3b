// Certificates made for one test.

#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

namespace http {

/// A self-signed certificate for `subject_alt_name` ("IP:127.0.0.1" or "DNS:name"), valid for
/// `seconds` from now (negative: expired), and its key, both as PEM.
struct Certificate {
  std::string certificate_pem;
  std::string key_pem;
};

inline std::string Pem(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size_t(size));
  BIO_free(bio);
  return text;
}

inline Certificate MakeCertificate(const std::string& subject_alt_name, long seconds = 3600) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), std::min(0L, seconds) - 60);
  X509_gmtime_adj(X509_getm_notAfter(x), seconds);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  for (const auto& [id, value] : {std::pair(NID_subject_alt_name, subject_alt_name),
                                  std::pair(NID_basic_constraints, std::string("CA:TRUE"))}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(x, key, EVP_sha256());
  BIO* certificate = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate, x);
  BIO* secret = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(x);
  EVP_PKEY_free(key);
  return {Pem(certificate), Pem(secret)};
}

}  // namespace http
