/*
 * What can go wrong, said once: each kind of failure with its HTTP status and
 * its name in every dialect.  Bodies are made here too, so that an error reads
 * the same whoever found it.
 */

#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H


#include "weir_buf.h"


/*
 * kind, status, OpenAI type, OpenAI code (NULL: null), Anthropic type,
 * title of the problem, retry (may the same request succeed later?)
 */

#define WEIR_FAILURES(X)                                                      \
    X(INVALID, 400, "invalid_request_error", NULL,                            \
      "invalid_request_error", "Invalid request", 0)                          \
    X(UNAUTHENTICATED, 401, "invalid_request_error", "invalid_api_key",       \
      "authentication_error", "Not authenticated", 0)                         \
    X(FORBIDDEN, 403, "invalid_request_error", "insufficient_scope",          \
      "permission_error", "Not permitted", 0)                                 \
    X(NOT_FOUND, 404, "invalid_request_error", "not_found",                   \
      "not_found_error", "Not found", 0)                                      \
    X(MODEL_NOT_FOUND, 404, "invalid_request_error", "model_not_found",       \
      "not_found_error", "Model not found", 0)                                \
    X(METHOD, 405, "invalid_request_error", "method_not_allowed",             \
      "invalid_request_error", "Method not allowed", 0)                       \
    X(REQUEST_TIMEOUT, 408, "invalid_request_error", "request_timeout",       \
      "timeout_error", "Request timeout", 1)                                  \
    X(CONFLICT, 409, "invalid_request_error", "conflict",                     \
      "invalid_request_error", "Conflict", 0)                                 \
    X(GONE, 410, "invalid_request_error", "result_expired",                   \
      "not_found_error", "Result expired", 0)                                 \
    X(TOO_LARGE, 413, "invalid_request_error", "request_too_large",           \
      "request_too_large", "Request too large", 0)                            \
    X(URI_TOO_LONG, 414, "invalid_request_error", "uri_too_long",             \
      "invalid_request_error", "URI too long", 0)                             \
    X(MEDIA_TYPE, 415, "invalid_request_error", "unsupported_media_type",     \
      "invalid_request_error", "Unsupported media type", 0)                   \
    X(HEADERS_TOO_LARGE, 431, "invalid_request_error",                        \
      "headers_too_large", "invalid_request_error",                           \
      "Request header fields too large", 0)                                   \
    X(KEY_REUSED, 422, "invalid_request_error", "idempotency_key_reused",     \
      "invalid_request_error", "Idempotency key reused", 0)                   \
    X(RATE_LIMITED, 429, "rate_limit_error", "rate_limit_exceeded",           \
      "rate_limit_error", "Too many requests", 1)                             \
    X(INTERNAL, 500, "server_error", "internal_error",                        \
      "api_error", "Internal error", 1)                                       \
    X(POISON, 500, "server_error", "poison",                                  \
      "api_error", "The request kills its process", 0)                        \
    X(NOT_IMPLEMENTED, 501, "server_error", "not_implemented",                \
      "api_error", "Not implemented", 0)                                      \
    X(UPSTREAM, 502, "server_error", "upstream_error",                        \
      "api_error", "Upstream error", 1)                                       \
    X(UNAVAILABLE, 503, "server_error", "unavailable",                        \
      "overloaded_error", "Temporarily unavailable", 1)                       \
    X(CANCELLED, 409, "invalid_request_error", "job_cancelled",               \
      "invalid_request_error", "Job cancelled", 0)                            \
    X(EXPIRED, 504, "server_error", "job_expired",                            \
      "timeout_error", "Job expired", 0)                                      \
    X(TIMEOUT, 504, "server_error", "timeout",                                \
      "timeout_error", "Timeout", 1)


typedef enum {
#define WEIR_FAILURE_ENUM(kind, ...)  WEIR_FAIL_##kind,
    WEIR_FAILURES(WEIR_FAILURE_ENUM)
#undef WEIR_FAILURE_ENUM
    WEIR_FAIL_KINDS
} weir_fail_e;


/* the dialects that a route can speak */

typedef enum {
    WEIR_DIALECT_PROBLEM = 0,       /* RFC 9457 */
    WEIR_DIALECT_OPENAI,
    WEIR_DIALECT_ANTHROPIC
} weir_dialect_e;


#define WEIR_FAILURE_TEXT   512
#define WEIR_FAILURE_WORD   64

/* types of problems that others have registered */

typedef enum {
    WEIR_PROBLEM_OWN = 0,           /* that of the kind */
    WEIR_PROBLEM_QUOTA_EXCEEDED,
    WEIR_PROBLEM_REDUCED_CAPACITY
} weir_problem_e;


/* message: a sentence for people; code: overrides the kind's; param: the field
 * of the request that is to blame.  All terminated, UTF-8, empty if unset. */

typedef struct {
    weir_fail_e  kind;
    unsigned     retry_after;       /* s; 0: not said */
    unsigned     status;            /* HTTP's, if not the kind's; else 0 */
    char         message[WEIR_FAILURE_TEXT];
    char         code[WEIR_FAILURE_WORD];
    char         param[WEIR_FAILURE_WORD];
    weir_problem_e  problem;
    weir_str_t   violated;          /* names of limits with commas; borrowed */
} weir_failure_t;


/* Sets kind and message and clears the rest.  A text that is too long is cut
 * at a character. */
void weir_failure_set(weir_failure_t *f, weir_fail_e kind,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* -1; f: out of memory. */
int weir_no_memory(weir_failure_t *f);

/* rc is of something that fails for want of memory alone: 0; -1: it did, and f
 * says so. */
int weir_unless_memory(weir_failure_t *f, int rc);

/* Copies s into to, which has room for size bytes, cut at a character. */
void weir_failure_copy(char *to, size_t size, weir_str_t s);

unsigned weir_failure_status(weir_fail_e kind);
unsigned weir_failure_status_in(weir_fail_e kind, weir_dialect_e dialect);
const char *weir_failure_name(weir_fail_e kind);        /* "INVALID", ... */
int weir_failure_kind(weir_str_t name);                 /* -1: unknown */
bool weir_failure_may_retry(weir_fail_e kind);

/* A word for programs: the failure's own code, or its kind's. */
weir_str_t weir_failure_code(const weir_failure_t *f);

/* The kind for a status that nginx or a provider came up with. */
weir_fail_e weir_failure_of_status(unsigned status);

/* The body of the error in a dialect; request_id may be empty. */
void weir_failure_body(const weir_failure_t *f, weir_dialect_e dialect,
    weir_str_t request_id, weir_buf_t *out);

/* Its media type. */
const char *weir_failure_media_type(weir_dialect_e dialect);


#endif /* WEIR_FAILURE_H */
