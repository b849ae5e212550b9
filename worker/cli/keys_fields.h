/*
 * What the options of "weir keys" say about a record.
 */

#ifndef KEYS_FIELDS_H
#define KEYS_FIELDS_H


#include "weir_apikey.h"
#include "weir_webhook.h"


typedef struct {
    const char  *tier;                          /* NULL: not given */
    const char  *scopes;
    const char  *models;
    const char  *limits;
    const char  *expires;
    const char  *webhook;
    const char  *webhook_secret;

    unsigned     scopes_read;
    int64_t      in;                            /* s from now; 0: see "at" */
    int64_t      at;                            /* Unix time; 0: never */
    weir_buf_t   models_read;                   /* as in a record */
    weir_buf_t   webhook_read;
    char         drawn[WEIR_SECRET_TEXT];       /* empty: none was */
} keys_fields_t;


/* the rows of a table of cli_option_t that fill them */
#define KEYS_FIELDS(f)                                                        \
    { "tier", &(f).tier, NULL, false },                                       \
    { "scopes", &(f).scopes, NULL, false },                                   \
    { "models", &(f).models, NULL, false },                                   \
    { "limits", &(f).limits, NULL, false },                                   \
    { "expires", &(f).expires, NULL, false },                                 \
    { "webhook", &(f).webhook, NULL, false },                                 \
    { "webhook-secret", &(f).webhook_secret, NULL, false }


/* Are they well said?  CLI_OK or, after a message, an exit status. */
int keys_fields_read(keys_fields_t *f);
void keys_fields_free(keys_fields_t *f);

/* None is given. */
bool keys_fields_none(const keys_fields_t *f);

/* Puts them into a record; what is not given stays as it is.  The strings of
 * key then point into f.  An exit status. */
int keys_fields_apply(keys_fields_t *f, weir_key_t *key, int64_t now);

/* "24h", "0" where zero is true; -1: not of that form. */
int64_t keys_duration(const char *text, bool zero);


#endif /* KEYS_FIELDS_H */
