/*
 * The log.  Owns the target and a buffer of whole lines that never grows past
 * what a pipe takes in one piece, so that the lines of several processes do
 * not mix.  A log that cannot be written is not an error of the worker.
 */

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"


#define LOG_BUFFER     4096         /* PIPE_BUF of Linux */
#define LOG_LINE_MAX   2048
#define LOG_VALUE_MAX  256


log_level_e  log_level = LOG_INFO;


static int     log_target = STDERR_FILENO;
static int     log_runner = -1;     /* -1: the supervisor */
static char   *log_file;
static char    log_buffer[LOG_BUFFER];
static size_t  log_used;

static const char  *log_names[] = { "debug", "info", "warn", "error" };


/* a line under construction: what does not fit is left out */

typedef struct {
    char    data[LOG_LINE_MAX];
    size_t  len;
} log_line_t;


static void
log_put(log_line_t *line, const char *data, size_t len)
{
    if (len > LOG_LINE_MAX - 1 - line->len) {       /* 1: the newline */
        len = LOG_LINE_MAX - 1 - line->len;
    }

    memcpy(line->data + line->len, data, len);
    line->len += len;
}


static bool
log_is_plain(weir_str_t s)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }

    return s.len > 0;
}


static void
log_put_quoted(log_line_t *line, weir_str_t s)
{
    char           hex[8];
    size_t         i;
    unsigned char  c;

    log_put(line, "\"", 1);

    for (i = 0; i < s.len; i++) {
        c = (unsigned char) s.data[i];

        if (c == '"' || c == '\\') {
            hex[0] = '\\';
            hex[1] = (char) c;
            log_put(line, hex, 2);

        } else if (c < ' ' || c == 0x7f) {
            log_put(line, hex,
                    (size_t) snprintf(hex, sizeof(hex), "\\x%02x", c));

        } else {
            log_put(line, (const char *) &s.data[i], 1);
        }
    }

    log_put(line, "\"", 1);
}


static void
log_put_value(log_line_t *line, weir_str_t s)
{
    if (s.len > LOG_VALUE_MAX) {
        s.len = LOG_VALUE_MAX;

        /* not within a UTF-8 sequence */
        while (s.len && ((unsigned char) s.data[s.len] & 0xc0) == 0x80) {
            s.len--;
        }
    }

    if (log_is_plain(s)) {
        log_put(line, s.data, s.len);

    } else {
        log_put_quoted(line, s);
    }
}


static void
log_put_number(log_line_t *line, long long n)
{
    char                text[24];
    size_t              i;
    unsigned long long  u;

    u = n < 0 ? 0 - (unsigned long long) n : (unsigned long long) n;
    i = sizeof(text);

    do {
        text[--i] = (char) ('0' + u % 10);
        u /= 10;
    } while (u);

    if (n < 0) {
        text[--i] = '-';
    }

    log_put(line, text + i, sizeof(text) - i);
}


static void
log_put_time(log_line_t *line)
{
    char             ms[8];
    struct tm        tm;
    struct timespec  now;

    static char    text[32];
    static size_t  len;
    static time_t  second = -1;

    clock_gettime(CLOCK_REALTIME, &now);

    if (now.tv_sec != second) {
        second = now.tv_sec;
        gmtime_r(&second, &tm);
        len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    }

    log_put(line, text, len);
    log_put(line, ms, (size_t) snprintf(ms, sizeof(ms), ".%03uZ",
                                        (unsigned) (now.tv_nsec / 1000000)
                                        % 1000));
}


static void
log_out(const char *data, size_t len)
{
    ssize_t  n;

    do {
        n = write(log_target, data, len);
    } while (n < 0 && errno == EINTR);
}


void
log_flush(void)
{
    if (log_used) {
        log_out(log_buffer, log_used);
        log_used = 0;
    }
}


void
log_write(log_level_e level, const char *event, const log_field_t *fields)
{
    log_line_t  line;

    line.len = 0;

    log_put_time(&line);
    log_put(&line, " ", 1);
    log_put(&line, log_names[level], strlen(log_names[level]));

    if (log_runner >= 0) {
        log_put(&line, " runner=", sizeof(" runner=") - 1);
        log_put_number(&line, log_runner);
    }

    log_put(&line, " event=", sizeof(" event=") - 1);
    log_put(&line, event, strlen(event));

    for ( /* void */ ; fields->key; fields++) {
        log_put(&line, " ", 1);
        log_put(&line, fields->key, strlen(fields->key));
        log_put(&line, "=", 1);

        if (fields->text.data) {
            log_put_value(&line, fields->text);

        } else {
            log_put_number(&line, fields->n);
        }
    }

    line.data[line.len++] = '\n';

    if (line.len > LOG_BUFFER - log_used) {
        log_flush();
    }

    memcpy(log_buffer + log_used, line.data, line.len);
    log_used += line.len;

    if (log_runner < 0 || level >= LOG_ERROR) {
        log_flush();
    }
}


void
log_who(int runner)
{
    log_flush();
    log_runner = runner;
}


static int
log_target_of(const char *file)
{
    return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}


int
log_open(const char *file, log_level_e level)
{
    int  fd;

    fd = file ? log_target_of(file) : STDERR_FILENO;
    if (fd < 0) {
        return -1;
    }

    log_close();

    log_target = fd;
    log_file = file ? mem_text(file) : NULL;
    log_level = level;

    return 0;
}


int
log_reopen(void)
{
    int  fd;

    log_flush();

    if (log_file == NULL) {
        return 0;
    }

    fd = log_target_of(log_file);
    if (fd < 0) {
        return -1;
    }

    close(log_target);
    log_target = fd;

    return 0;
}


int
log_fd(void)
{
    return log_target;
}


void
log_close(void)
{
    log_flush();

    if (log_target != STDERR_FILENO) {
        close(log_target);
        log_target = STDERR_FILENO;
    }

    free(log_file);
    log_file = NULL;
}
