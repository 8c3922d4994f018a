// COpenSSL: libcrypto 3 as Swift sees it.
//
// Most of OpenSSL imports as it is. What follows are the parts that are macros, variadic calls or
// typed stacks, which Swift cannot call; each function does one such thing and decides nothing.
#ifndef SWIFTLET_COPENSSL_SHIM_H
#define SWIFTLET_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/// A new ECDSA P-256 key; null where libcrypto has no chance or no memory.
static inline EVP_PKEY *openssl_generate_p256(void) { return EVP_EC_gen("P-256"); }

/// A new X25519 key.
static inline EVP_PKEY *openssl_generate_x25519(void) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
}

/// Gives back memory that an `i2d_…` or `…_to_UTF8` call allocated.
static inline void openssl_free(void *memory) { OPENSSL_free(memory); }

/// The bytes that a memory BIO holds; the BIO keeps them.
static inline long openssl_memory_bytes(BIO *bio, const char **bytes) {
    char *start = NULL;
    long count = BIO_get_mem_data(bio, &start);
    *bytes = start;
    return count;
}

/// Adds an extension in OpenSSL's text form (x509v3_config(5)); `value` is never a stranger's.
static inline int openssl_add_extension(X509 *subject, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, subject, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    if (extension == NULL) return 0;
    int added = X509_add_ext(subject, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

/// An empty list of subject alternative names.
static inline GENERAL_NAMES *openssl_names_new(void) { return sk_GENERAL_NAME_new_null(); }

static inline void openssl_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

/// Appends a name of the type GEN_URI, GEN_DNS (ASCII) or GEN_IPADD (4 or 16 bytes).
static inline int openssl_names_add(
    GENERAL_NAMES *names, int type, const unsigned char *bytes, int count
) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(
        type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (name == NULL || value == NULL || !ASN1_STRING_set(value, bytes, count)) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return 0;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0) return 1;
    GENERAL_NAME_free(name);
    return 0;
}

static inline int openssl_names_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

/// The type of one name; `bytes` is null where the name is of another kind than the three above.
static inline int openssl_names_get(
    const GENERAL_NAMES *names, int index, const unsigned char **bytes, int *count
) {
    int type = 0;
    *bytes = NULL;
    *count = 0;
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (value != NULL && (type == GEN_URI || type == GEN_DNS || type == GEN_IPADD)) {
        *bytes = ASN1_STRING_get0_data(value);
        *count = ASN1_STRING_length(value);
    }
    return type;
}

/// Asks for the subject alternative names in a signing request.
static inline int openssl_request_set_names(X509_REQ *request, GENERAL_NAMES *names) {
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    int done = X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT)
        && X509_REQ_add_extensions(request, extensions);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return done;
}

/// The subject alternative names that a signing request asks for; null where there are none.
static inline GENERAL_NAMES *openssl_request_names(X509_REQ *request) {
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = (GENERAL_NAMES *)X509V3_get_d2i(
        extensions, NID_subject_alt_name, NULL, NULL);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return names;
}

/// Verifies `leaf` up to `root`, the only trusted certificate, through `between` (null: none).
/// Times are not looked at. Gives an X509_V_… code; X509_V_OK is zero.
static inline int openssl_verify_chain(X509 *leaf, X509 *between, X509 *root, int depth_max) {
    int code = X509_V_ERR_OUT_OF_MEM;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    if (store == NULL || context == NULL || untrusted == NULL) goto end;
    if (between != NULL && sk_X509_push(untrusted, between) <= 0) goto end;
    if (!X509_STORE_add_cert(store, root)) goto end;
    if (!X509_STORE_CTX_init(context, store, leaf, untrusted)) goto end;
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT | X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_depth(parameters, depth_max);
    // Level 2: at least 112 bits, so no SHA-1 anywhere.
    X509_VERIFY_PARAM_set_auth_level(parameters, 2);
    code = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    if (code == X509_V_OK && X509_STORE_CTX_get_error(context) != X509_V_OK)
        code = X509_STORE_CTX_get_error(context);
end:
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return code;
}

#endif
