/*
 * The key file and the pepper file on disk.  A key file is replaced as a
 * whole, so that a reader sees the old one or the new one; who changes it
 * holds a lock on its directory.
 */

#ifndef KEYFILE_H
#define KEYFILE_H


#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "weir_buf.h"


typedef struct {
    char         path[PATH_MAX];    /* symbolic links resolved */
    int          dir;               /* the directory, locked; -1: not open */
    bool         exists;
    struct stat  st;                /* if it exists */
    weir_buf_t   text;
} keyfile_t;


#define KEYFILE_MAX  (512 * 1024 * 1024)

/* Reads a file of at most max bytes.  A missing one is an error, unless
 * missing_r is given.  Returns an exit status, after a message. */
int keyfile_slurp(const char *path, size_t max, weir_buf_t *out,
    bool *missing_r);

/* Locks the file's directory and reads the file, which need not exist. */
int keyfile_open(keyfile_t *k, const char *path);

/* Replaces the content by k->text, durably. */
int keyfile_save(keyfile_t *k);

/* Gives the lock back. */
void keyfile_close(keyfile_t *k);

/* The pepper, white space at its end removed.  may_create: a missing file is
 * made. */
int keyfile_pepper(const char *path, bool may_create, weir_buf_t *pepper);

/* The next line, without its end; false: there is none. */
bool keyfile_next_line(weir_str_t *rest, weir_str_t *line_r);

/* Is it neither empty nor a comment? */
bool keyfile_is_record(weir_str_t line);


#endif /* KEYFILE_H */
