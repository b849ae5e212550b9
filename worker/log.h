/*
 * The log: one line an event, in logfmt.  Never prompts, results or secrets:
 * whoever logs passes names, numbers and short reasons only.
 */

#ifndef LOG_H
#define LOG_H


#include "weir_str.h"


typedef enum {
    LOG_DEBUG = 0,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
} log_level_e;


typedef struct {
    const char  *key;           /* NULL ends an array of fields */
    weir_str_t   text;          /* data == NULL: n is meant */
    long long    n;
} log_field_t;


static inline log_field_t
log_str(const char *key, weir_str_t s)
{
    return (log_field_t) { key, s.data ? s : weir_str(""), 0 };
}


static inline log_field_t
log_text(const char *key, const char *text)
{
    return log_str(key, weir_str_of(text));
}


static inline log_field_t
log_num(const char *key, long long n)
{
    return (log_field_t) { key, weir_str_null, n };
}


/* LOG(LOG_INFO, "job_finished", log_text("job", id), log_num("ms", 12)); the
 * fields are not evaluated when the level is off. */

#define LOG(level, event, ...)                                                \
    do {                                                                      \
        if ((level) >= log_level) {                                           \
            log_write(level, event,                                           \
                      (log_field_t[]) { __VA_ARGS__, { NULL, { NULL, 0 }, 0 } \
                      });                                                     \
        }                                                                     \
    } while (0)


extern log_level_e  log_level;


/* file NULL: standard error.  -1: errno says why; the old target stays. */
int log_open(const char *file, log_level_e level);
int log_reopen(void);

/* "main", or the slot of a runner; a runner's lines are kept until
 * log_flush(), those of level error are not. */
void log_who(int runner);

void log_write(log_level_e level, const char *event,
    const log_field_t *fields);
void log_flush(void);

/* The descriptor, for those who close all others; the name is freed too. */
int log_fd(void);
void log_close(void);


#endif /* LOG_H */
