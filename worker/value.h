/*
 * The spelling of values in worker.conf: times, sizes, numbers, addresses.
 * Pure.
 */

#ifndef VALUE_H
#define VALUE_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


/* "500ms", "30s", "2m", "1h", "1d"; a bare number is in seconds. */
bool value_time(const char *text, int64_t *ms_r);

/* "4096", "16k", "16m", "1g" */
bool value_size(const char *text, int64_t *bytes_r);

/* A size, or "25%", from 1 to 100, which becomes -25. */
bool value_share(const char *text, int64_t *n_r);

bool value_int(const char *text, int64_t *n_r);

/* on, off, yes, no, true, false */
bool value_bool(const char *text, int64_t *n_r);

/* 1 to 64 characters of A-Z a-z 0-9 . _ - */
bool value_is_name(const char *text);

/* "host:port", "[v6]:port" or "unix:/path"; host_r and path_r point into
 * text.  Exactly one of them is set. */
typedef struct {
    weir_str_t  host;           /* without brackets */
    weir_str_t  path;
    unsigned    port;
} value_address_t;

bool value_address(const char *text, value_address_t *a_r);

/* http or https, a host, perhaps a port and a path; no user, query, fragment
 * or space. */
bool value_is_url(const char *text);

/* A number and its unit again, for messages: "30s", "16m". */
#define VALUE_TEXT_MAX  32

const char *value_time_text(char buf[VALUE_TEXT_MAX], int64_t ms);
const char *value_size_text(char buf[VALUE_TEXT_MAX], int64_t bytes);


#endif /* VALUE_H */
