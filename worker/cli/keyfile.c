/*
 * The key file and the pepper file on disk: locking, reading, replacing.
 * Never looks into a record.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* mkostemp() */
#endif

#include "keyfile.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "weir_digest.h"


#define KEYFILE_PEPPER      32          /* random bytes */
#define KEYFILE_PEPPER_MAX  4096


static int
keyfile_failed(const char *what, const char *path)
{
    return cli_failed("cannot %s \"%s\": %s", what, path, strerror(errno));
}


static int
keyfile_read_fd(int fd, const char *path, size_t max, weir_buf_t *out)
{
    char     *p;
    ssize_t   n;

    do {
        p = weir_buf_reserve(out, 65536);
        if (p == NULL) {
            return cli_failed("no memory to read \"%s\"", path);
        }

        n = read(fd, p, 65536);

        if (n < 0 && errno != EINTR) {
            return keyfile_failed("read", path);
        }

        out->len += n > 0 ? (size_t) n : 0;

        if (out->len > max) {
            return cli_failed("\"%s\" is too large", path);
        }

    } while (n != 0);

    return CLI_OK;
}


int
keyfile_slurp(const char *path, size_t max, weir_buf_t *out, bool *missing_r)
{
    int  fd, rc;

    fd = open(path, O_RDONLY|O_CLOEXEC);

    if (missing_r) {
        *missing_r = (fd < 0 && errno == ENOENT);

        if (*missing_r) {
            return CLI_OK;
        }
    }

    if (fd < 0) {
        return keyfile_failed("open", path);
    }

    rc = keyfile_read_fd(fd, path, max, out);
    close(fd);

    return rc;
}


/* The directory is locked, not the file: the file is replaced by a rename, and
 * a lock on the old one would keep nobody from the new one. */

static int
keyfile_lock(keyfile_t *k)
{
    int   rc;
    char  copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s", k->path);

    k->dir = open(dirname(copy), O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (k->dir < 0) {
        return keyfile_failed("open the directory of", k->path);
    }

    do {
        rc = flock(k->dir, LOCK_EX);
    } while (rc != 0 && errno == EINTR);

    return rc ? keyfile_failed("lock the directory of", k->path) : CLI_OK;
}


int
keyfile_open(keyfile_t *k, const char *path)
{
    int   rc;
    bool  missing;

    memset(k, 0, sizeof(keyfile_t));
    k->dir = -1;

    /* a symbolic link stays one: its target is replaced */

    if (realpath(path, k->path) == NULL) {
        if (errno != ENOENT) {
            return keyfile_failed("open", path);
        }

        if (snprintf(k->path, PATH_MAX, "%s", path) >= PATH_MAX - 16) {
            return cli_failed("the name of the key file is too long");
        }
    }

    rc = keyfile_lock(k);

    if (rc == CLI_OK) {
        rc = keyfile_slurp(k->path, KEYFILE_MAX, &k->text, &missing);
        k->exists = !missing;
    }

    if (rc == CLI_OK && k->exists && stat(k->path, &k->st) != 0) {
        rc = keyfile_failed("stat", k->path);
    }

    if (rc != CLI_OK) {
        keyfile_close(k);
    }

    return rc;
}


static int
keyfile_write_fd(int fd, weir_str_t text)
{
    ssize_t  n;

    while (text.len) {
        n = write(fd, text.data, text.len);

        if (n < 0 && errno != EINTR) {
            return -1;
        }

        if (n > 0) {
            text.data += n;
            text.len -= (size_t) n;
        }
    }

    return fsync(fd);
}


/* a new file beside path, complete and on disk; its name goes to temp */

static int
keyfile_temp(const char *path, weir_str_t text, mode_t mode,
    const struct stat *like, char temp[PATH_MAX])
{
    int  fd, rc;

    if (snprintf(temp, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }

    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }

    rc = keyfile_write_fd(fd, text);

    if (rc == 0 && like && (like->st_uid != geteuid()
                            || like->st_gid != getegid()))
    {
        rc = fchown(fd, like->st_uid, like->st_gid);
    }

    if (rc == 0) {
        rc = fchmod(fd, mode);
    }

    if (close(fd) != 0) {
        rc = -1;
    }

    if (rc != 0) {
        rc = errno;
        unlink(temp);
        errno = rc;
        return -1;
    }

    return 0;
}


int
keyfile_save(keyfile_t *k)
{
    char    temp[PATH_MAX];
    mode_t  mode;

    mode = k->exists ? (k->st.st_mode & 07777) : 0600;

    if (k->text.failed) {
        return cli_failed("no memory for the new content of \"%s\"", k->path);
    }

    if (keyfile_temp(k->path, (weir_str_t) { k->text.data, k->text.len }, mode,
                     k->exists ? &k->st : NULL, temp)
        != 0)
    {
        return keyfile_failed("write the replacement of", k->path);
    }

    if (rename(temp, k->path) != 0) {
        unlink(temp);
        return keyfile_failed("replace", k->path);
    }

    return fsync(k->dir) ? keyfile_failed("sync the directory of", k->path)
                         : CLI_OK;
}


void
keyfile_close(keyfile_t *k)
{
    if (k->dir >= 0) {
        close(k->dir);
        k->dir = -1;
    }

    weir_buf_free(&k->text);
}


/* link() and not rename(): of two makers the first wins, and both read it */

static int
keyfile_pepper_make(const char *path)
{
    int            rc;
    char           temp[PATH_MAX], hex[2 * KEYFILE_PEPPER + 2];
    unsigned char  random[KEYFILE_PEPPER];

    if (weir_digest_random(random, sizeof(random)) != 0) {
        return cli_failed("no random bytes for the pepper");
    }

    weir_digest_hex(random, sizeof(random), hex);
    strcat(hex, "\n");

    rc = keyfile_temp(path, weir_str_of(hex), 0400, NULL, temp);

    weir_digest_wipe(random, sizeof(random));
    weir_digest_wipe(hex, sizeof(hex));

    if (rc != 0) {
        return keyfile_failed("create", path);
    }

    if (link(temp, path) != 0 && errno != EEXIST) {
        keyfile_failed("create", path);
        unlink(temp);
        return CLI_FAILED;
    }

    unlink(temp);

    return CLI_OK;
}


int
keyfile_pepper(const char *path, bool may_create, weir_buf_t *pepper)
{
    int   rc;
    bool  missing;

    rc = keyfile_slurp(path, KEYFILE_PEPPER_MAX, pepper,
                       may_create ? &missing : NULL);

    if (rc == CLI_OK && may_create && missing) {
        rc = keyfile_pepper_make(path);

        if (rc == CLI_OK) {
            rc = keyfile_slurp(path, KEYFILE_PEPPER_MAX, pepper, NULL);
        }
    }

    if (rc != CLI_OK) {
        return rc;
    }

    while (pepper->len && strchr(" \t\r\n\v\f", pepper->data[pepper->len - 1])
           && pepper->data[pepper->len - 1])
    {
        pepper->len--;
    }

    return pepper->len ? CLI_OK
                       : cli_failed("the pepper file \"%s\" is empty", path);
}


/* lines */

bool
keyfile_next_line(weir_str_t *rest, weir_str_t *line_r)
{
    size_t       n;
    const char  *end;

    if (rest->len == 0) {
        return false;
    }

    end = memchr(rest->data, '\n', rest->len);
    n = end ? (size_t) (end - rest->data) : rest->len;

    *line_r = (weir_str_t) { rest->data, n };
    rest->data += end ? n + 1 : n;
    rest->len -= end ? n + 1 : n;

    if (n && line_r->data[n - 1] == '\r') {
        line_r->len--;
    }

    return true;
}


bool
keyfile_is_record(weir_str_t line)
{
    return line.len && line.data[0] != '#';
}
