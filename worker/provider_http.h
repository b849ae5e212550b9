/*
 * Providers that are asked over HTTP: what all of their dialects have in
 * common.  A dialect is a row of words and functions; the functions are common/
 * ones, or nearly so.
 */

#ifndef PROVIDER_HTTP_H
#define PROVIDER_HTTP_H


#include "provider.h"
#include "provider_stream.h"


/* kinds of requests that a dialect has */
#define PROVIDER_ASKS_MAX  4


/* How requests of one kind are put. */

typedef struct {
    const char  *kind;          /* as the neutral request has it; NULL: no
                                   more of them */
    const char  *path;

    /* The body of the call.  -1: f says why there is none. */
    int        (*call)(const weir_json_t *request, weir_str_t model,
                       bool stream, weir_buf_t *out, weir_failure_t *f);

    /* A whole reply of status 2xx into the outcome; request is NULL where one
     * as events was asked for.  -1: its error says why that is none; -2: nor
     * would another be. */
    int        (*reply)(const weir_json_t *request, weir_str_t body,
                        weir_outcome_t *o);

    /* Its events; NULL: it has none. */
    const provider_parser_t  *events;
} provider_ask_t;


typedef struct {
    const char  *name;
    const char  *root;          /* of all paths, unless the address ends with
                                   it; may be empty */
    const char  *key;           /* what stands before the key in its header */
    const char  *header;        /* one more; may be NULL */

    const provider_ask_t  *asks;

    /* Another status with its body. */
    void       (*error)(unsigned status, weir_str_t body, weir_failure_t *f);

    const char  *list;          /* path of the models */
    const char  *after;         /* what asks for those after one; NULL: the
                                   list comes whole */
} provider_row_t;


provider_t *provider_http_create(loop_t *loop, const conf_provider_t *conf,
    const provider_row_t *row);

/* What a dialect's row of functions has of these. */
void provider_http_destroy(provider_t *p);
void provider_http_call(provider_t *p, provider_call_t *call);
void provider_http_cancel(provider_t *p, provider_call_t *call);
void provider_http_models(provider_t *p, provider_models_pt fn, void *data);


/* provider_models.c: its list of models */

typedef struct provider_list_s  provider_list_t;

/* A target at the path below the provider's address. */
typedef http_target_t *(*provider_target_pt)(provider_t *p, const char *path);

provider_list_t *provider_list_create(provider_t *p, const provider_row_t *row,
    provider_target_pt target);
void provider_list_destroy(provider_list_t **list);
void provider_list_ask(provider_list_t *list, provider_models_pt fn,
    void *data);


#endif /* PROVIDER_HTTP_H */
