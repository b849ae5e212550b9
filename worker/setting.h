/*
 * The settings of worker.conf as one table: section, name, kind, default and
 * range of each.  Turns a text into a field of the configuration, or says what
 * would be allowed.
 */

#ifndef SETTING_H
#define SETTING_H


#include <stdbool.h>

#include "conf.h"


typedef enum {
    SETTING_REDIS = 0,
    SETTING_CACHE_REDIS,
    SETTING_WORKER,
    SETTING_LOG,
    SETTING_METRICS,
    SETTING_WEBHOOK,
    SETTING_PROVIDER,
    SETTING_MODEL,
    SETTING_SECTIONS
} setting_section_e;


typedef struct setting_s  setting_t;

struct setting_s {
    setting_section_e    section;
    const char          *name;
    int                (*store)(const setting_t *s, void *field,
                             const char *text, char *error_r);
    size_t               offset;    /* of the field in the section's struct */
    const char          *value;     /* default as text; NULL: unset */
    int64_t              min;       /* in the field's unit */
    int64_t              max;
    const char *const   *words;     /* of a choice */
};


extern const setting_t  settings[];         /* name == NULL ends it */

const char *setting_section_name(setting_section_e section);
bool setting_has_title(setting_section_e section);

/* By a name that need not be terminated; NULL: unknown. */
const setting_t *setting_find(setting_section_e section, const char *name);

/* Stores text into base, the struct of the setting's section.  -1: error_r
 * holds a sentence of at most CONF_ERROR - 1 bytes. */
int setting_store(const setting_t *s, void *base, const char *text,
    char *error_r);

/* Stores all defaults of a section. */
void setting_defaults(setting_section_e section, void *base);

/* Frees and clears the texts of a section's struct. */
void setting_free(setting_section_e section, void *base);

/* The names of a section's settings, separated by ", ". */
void setting_names(setting_section_e section, char *buf, size_t size);


#endif /* SETTING_H */
