/*
 * The key ring of the process: made from the key file when the configuration
 * is read, and again when the file has changed since, so that a revoked key
 * stops within a second without a reload.  Owns the ring; who may do what is
 * the gate's.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_KEYS_FILE_MAX    (256 * 1024 * 1024)
#define NGX_HTTP_WEIR_PEPPER_FILE_MAX  4096


/* The caller frees text with ngx_free().  name is terminated. */

static ngx_int_t
ngx_http_weir_keys_read(ngx_str_t *name, size_t max, ngx_log_t *log,
    weir_str_t *text, ngx_file_info_t *fi)
{
    char       *data;
    size_t      size;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_int_t   rc;

    *text = weir_str_null;

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      "weir: cannot open \"%V\"", name);
        return NGX_ERROR;
    }

    rc = NGX_ERROR;
    data = NULL;

    if (ngx_fd_info(fd, fi) == NGX_FILE_ERROR || ngx_file_size(fi) < 0
        || (size_t) ngx_file_size(fi) > max)
    {
        ngx_log_error(NGX_LOG_ERR, log, 0, "weir: \"%V\" is larger than %uz "
                      "bytes", name, max);
        goto done;
    }

    size = (size_t) ngx_file_size(fi);
    data = ngx_alloc(size + 1, log);

    if (data == NULL) {
        goto done;
    }

    n = ngx_read_fd(fd, data, size);

    if (n < 0) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno, "weir: cannot read \"%V\"",
                      name);
        goto done;
    }

    *text = (weir_str_t) { data, (size_t) n };
    data = NULL;
    rc = NGX_OK;

done:

    if (data) {
        ngx_free(data);
    }

    (void) ngx_close_file(fd);

    return rc;
}


static void
ngx_http_weir_keys_free(weir_str_t *text)
{
    if (text->data) {
        weir_digest_wipe((void *) text->data, text->len);
        ngx_free((void *) text->data);
    }
}


/* what is left of a secret's file without its line's end */

static void
ngx_http_weir_keys_trim(weir_str_t *text)
{
    while (text->len && (text->data[text->len - 1] == '\n'
                         || text->data[text->len - 1] == '\r'
                         || text->data[text->len - 1] == ' '
                         || text->data[text->len - 1] == '\t'))
    {
        text->len--;
    }
}


/* A secret of one line into pool. */

ngx_int_t
ngx_http_weir_keys_secret(ngx_pool_t *pool, ngx_str_t *name, ngx_str_t *secret)
{
    weir_str_t       text, rest;
    ngx_file_info_t  fi;

    if (ngx_http_weir_keys_read(name, NGX_HTTP_WEIR_PEPPER_FILE_MAX, pool->log,
                                &text, &fi)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rest = text;
    ngx_http_weir_keys_trim(&rest);

    secret->len = rest.len;
    secret->data = ngx_pnalloc(pool, rest.len + 1);

    if (secret->data) {
        ngx_memcpy(secret->data, rest.data, rest.len);
    }

    ngx_http_weir_keys_free(&text);

    return secret->data ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_weir_keys_error(char error[WEIR_KEY_ERROR], const char *what,
    ngx_str_t *name)
{
    if (name) {
        ngx_snprintf((u_char *) error, WEIR_KEY_ERROR, "%s \"%V\"%Z", what,
                     name);

    } else {
        ngx_snprintf((u_char *) error, WEIR_KEY_ERROR, "%s%Z", what);
    }

    error[WEIR_KEY_ERROR - 1] = '\0';
}


/* Replaces the ring; on an error the old one stays and error says why. */

ngx_int_t
ngx_http_weir_keys_load(ngx_http_weir_main_conf_t *wmcf, ngx_log_t *log,
    char error[WEIR_KEY_ERROR])
{
    weir_str_t        text, pepper, trimmed;
    weir_keyring_t   *ring;
    ngx_file_info_t   fi, pfi;

    error[0] = '\0';
    pepper = weir_str_null;

    if (ngx_http_weir_keys_read(&wmcf->key_file, NGX_HTTP_WEIR_KEYS_FILE_MAX,
                                log, &text, &fi)
        != NGX_OK)
    {
        ngx_http_weir_keys_error(error, "cannot be read", NULL);
        return NGX_ERROR;
    }

    if (ngx_http_weir_keys_read(&wmcf->pepper_file,
                                NGX_HTTP_WEIR_PEPPER_FILE_MAX, log, &pepper,
                                &pfi)
        != NGX_OK)
    {
        ngx_http_weir_keys_error(error, "its pepper cannot be read from",
                                 &wmcf->pepper_file);
        ngx_http_weir_keys_free(&text);
        return NGX_ERROR;
    }

    /* an editor that writes in place empties the file first; who means it
     * leaves a comment */

    if (text.len == 0 && wmcf->keyring) {
        ngx_http_weir_keys_error(error, "it is empty", NULL);
        ngx_http_weir_keys_free(&text);
        ngx_http_weir_keys_free(&pepper);
        wmcf->key_info = fi;
        return NGX_ERROR;
    }

    trimmed = pepper;
    ngx_http_weir_keys_trim(&trimmed);

    if (trimmed.len) {
        ring = weir_keyring_create(text, trimmed, error);

    } else {
        ngx_http_weir_keys_error(error, "there is no pepper in",
                                 &wmcf->pepper_file);
        ring = NULL;
    }

    ngx_http_weir_keys_free(&text);
    ngx_http_weir_keys_free(&pepper);

    wmcf->key_info = fi;

    if (ring == NULL) {
        return NGX_ERROR;
    }

    weir_keyring_destroy(&wmcf->keyring);
    wmcf->keyring = ring;

    return NGX_OK;
}


/* Two changes may fall into one second and leave the size. */

static ngx_uint_t
ngx_http_weir_keys_same(ngx_file_info_t *a, ngx_file_info_t *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size
           && a->st_mtim.tv_sec == b->st_mtim.tv_sec
           && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
           && a->st_ctim.tv_sec == b->st_ctim.tv_sec
           && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}


/* Called every second.  A file that this process may not see is left alone:
 * a reload reads it then. */

void
ngx_http_weir_keys_check(ngx_http_weir_process_t *p)
{
    char                        error[WEIR_KEY_ERROR];
    ngx_file_info_t             fi;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = p->conf;

    if (ngx_file_info(wmcf->key_file.data, &fi) == NGX_FILE_ERROR
        || ngx_http_weir_keys_same(&fi, &wmcf->key_info))
    {
        return;
    }

    if (ngx_http_weir_keys_load(wmcf, &p->cmd.log, error) == NGX_OK) {
        ngx_http_weir_memo_forget(p);
        ngx_http_weir_count(p, key_reloads);
        ngx_log_error(NGX_LOG_NOTICE, &p->cmd.log, 0,
                      "weir: read \"%V\" again, %uz keys", &wmcf->key_file,
                      weir_keyring_count(wmcf->keyring));
        return;
    }

    /* said once for each change of the file */

    wmcf->key_info = fi;

    ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                  "weir: \"%V\" has changed and is not good, the keys read "
                  "before stay in force%s%s", &wmcf->key_file,
                  error[0] ? ": " : "", error);
}
