/*
 * What the files of the tool share: the command table's row, the arguments of
 * a command line, and how a mistake is said (one line on stderr).
 */

#ifndef CLI_H
#define CLI_H


#include <stdbool.h>
#include <stddef.h>


/* exit statuses */
#define CLI_OK       0
#define CLI_FAILED   1
#define CLI_USAGE    2


/* an option: with "flag" it takes no value; its value ends up in *value */

typedef struct {
    const char    *name;            /* without the dashes; NULL ends a list */
    const char   **value;
    bool          *flag;
    bool           required;
} cli_option_t;


typedef struct {
    const char    *name;            /* one or two words */
    const char    *usage;           /* what follows the name */
    const char    *about;
    int          (*run)(int argc, char **argv);
} cli_command_t;


/* Reads "--name value", "--name=value" and "--flag" in any order; "--" ends
 * the options.  The other arguments, exactly nwords, go to words.  CLI_OK or,
 * after a message, CLI_USAGE. */
int args_parse(int argc, char **argv, const cli_option_t *options,
    const char **words, int nwords);

/* The same with nmin to nmax of them; those that are missing are NULL. */
int args_parse_some(int argc, char **argv, const cli_option_t *options,
    const char **words, int nmin, int nmax);

/* A number of 1 to max behind --name; NULL leaves *n as it is. */
int args_number(const char *name, const char *value, unsigned max,
    unsigned *n);

/* Says "weir: ..." and returns the status. */
int cli_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* All of stdout is written, or the failure is said. */
int cli_flush(void);


/* the commands: arguments without the command's own words */
int keys_create(int argc, char **argv);
int keys_list(int argc, char **argv);
int keys_show(int argc, char **argv);
int keys_update(int argc, char **argv);
int keys_rotate(int argc, char **argv);
int keys_revoke(int argc, char **argv);
int keys_import(int argc, char **argv);
int jobs_list(int argc, char **argv);
int jobs_show(int argc, char **argv);
int jobs_cancel(int argc, char **argv);
int jobs_retry(int argc, char **argv);
int dead_list(int argc, char **argv);
int dead_show(int argc, char **argv);
int dead_retry(int argc, char **argv);
int dead_drop(int argc, char **argv);
int queue_stats(int argc, char **argv);
int queue_pause(int argc, char **argv);
int queue_resume(int argc, char **argv);
int webhooks_list(int argc, char **argv);
int webhooks_redeliver(int argc, char **argv);
int usage(int argc, char **argv);
int cache_stats(int argc, char **argv);
int cache_purge(int argc, char **argv);
int cache_warm(int argc, char **argv);


#endif /* CLI_H */
