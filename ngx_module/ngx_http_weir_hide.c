/*
 * What others see of a request that had to show a key: not the key, but whose
 * it is.  Changes the request's headers so that upstreams, variables, logs and
 * subrequests are all served; knows no keys.
 *
 * Elements of the list of headers are never moved, for nginx and its modules
 * point to them.  A list without some of them is made of new parts that stand
 * for pieces of the old arrays.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_STAR  '*'


/* the headers that a client must not send, or we take away; in lower case */

typedef struct {
    ngx_str_t    name;
    ngx_str_t    ours;              /* as we write it; empty: a credential */
    ngx_uint_t   offset;            /* of its value in the visit */
} ngx_http_weir_hidden_t;

#define ngx_http_weir_ours(low, name, member)                                 \
    { ngx_string(low), ngx_string(name),                                      \
      offsetof(ngx_http_weir_visit_t, member) }


static const ngx_http_weir_hidden_t  ngx_http_weir_hidden[] = {
    { ngx_string("authorization"), ngx_null_string, 0 },
    { ngx_string("x-api-key"), ngx_null_string, 0 },
    ngx_http_weir_ours("x-weir-owner", "X-Weir-Owner", owner),
    ngx_http_weir_ours("x-weir-key-id", "X-Weir-Key-Id", key_id),
    ngx_http_weir_ours("x-weir-tier", "X-Weir-Tier", tier),
    { ngx_null_string, ngx_null_string, 0 }
};

#define NGX_HTTP_WEIR_OURS  3

static ngx_uint_t  ngx_http_weir_hidden_hash[NGX_HTTP_WEIR_OURS];


static ngx_str_t *
ngx_http_weir_hide_value(ngx_http_weir_visit_t *visit,
    const ngx_http_weir_hidden_t *hidden)
{
    return (ngx_str_t *) ((char *) visit + hidden->offset);
}


/* CGI and its kin write '-' and '_' alike, so that one passes for the other */

static ngx_uint_t
ngx_http_weir_hide_same(ngx_str_t *key, const ngx_str_t *name)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < name->len; i++) {
        c = key->data[i];

        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;

        } else if (c == '_') {
            c = '-';
        }

        if (c != name->data[i]) {
            return 0;
        }
    }

    return 1;
}


static const ngx_http_weir_hidden_t *
ngx_http_weir_hide_find(ngx_str_t *key)
{
    const ngx_http_weir_hidden_t  *hidden;

    /* most fields are others */

    if (key->len < sizeof("x-api-key") - 1
        || key->len > sizeof("authorization") - 1
        || ((key->data[0] | 0x20) != 'a' && (key->data[0] | 0x20) != 'x'))
    {
        return NULL;
    }

    for (hidden = ngx_http_weir_hidden; hidden->name.len; hidden++) {
        if (key->len == hidden->name.len
            && ngx_http_weir_hide_same(key, &hidden->name))
        {
            return hidden;
        }
    }

    return NULL;
}


/* Is the field to go?  *ours_r counts those that we have put there. */

static ngx_uint_t
ngx_http_weir_hide_drops(ngx_http_weir_visit_t *visit, ngx_table_elt_t *h,
    ngx_uint_t *ours_r)
{
    ngx_str_t                     *value;
    const ngx_http_weir_hidden_t  *hidden;

    hidden = ngx_http_weir_hide_find(&h->key);

    if (hidden == NULL) {
        return 0;
    }

    if (hidden->ours.len) {
        value = ngx_http_weir_hide_value(visit, hidden);

        if (value->len == 0 || h->value.data != value->data) {
            return 1;
        }

        (*ours_r)++;
        return 0;
    }

    /* Authorization of another scheme is somebody else's */

    return hidden != ngx_http_weir_hidden
           || ngx_http_weir_auth_is_bearer(&h->value);
}


/* the new list while it is made */

typedef struct {
    ngx_list_t       *list;
    ngx_list_part_t  *last;         /* NULL: it is empty */
    ngx_pool_t       *pool;
} ngx_http_weir_hide_t;


static ngx_int_t
ngx_http_weir_hide_piece(ngx_http_weir_hide_t *hide, void *elts, size_t n)
{
    ngx_list_part_t  *part;

    if (n == 0) {
        return NGX_OK;              /* readers do not expect empty parts */
    }

    part = &hide->list->part;

    if (hide->last) {
        part = ngx_palloc(hide->pool, sizeof(ngx_list_part_t));
        if (part == NULL) {
            return NGX_ERROR;
        }

        hide->last->next = part;
    }

    part->elts = elts;
    part->nelts = n;
    part->next = NULL;

    hide->last = part;

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_hide_identify(ngx_http_weir_hide_t *hide,
    ngx_http_weir_visit_t *visit)
{
    ngx_table_elt_t               *elts, *h;
    const ngx_http_weir_hidden_t  *hidden;

    elts = ngx_pcalloc(hide->pool,
                       NGX_HTTP_WEIR_OURS * sizeof(ngx_table_elt_t));
    if (elts == NULL) {
        return NGX_ERROR;
    }

    h = elts;

    for (hidden = ngx_http_weir_hidden; hidden->name.len; hidden++) {

        if (hidden->ours.len == 0) {
            continue;
        }

        h->hash = ngx_http_weir_hidden_hash[h - elts];
        h->key = hidden->ours;
        h->lowcase_key = hidden->name.data;
        h->value = *ngx_http_weir_hide_value(visit, hidden);
        h++;
    }

    return ngx_http_weir_hide_piece(hide, elts, h - elts);
}


/* Copies of the list, such as a subrequest's, share its parts: they are left as
 * they are. */

static ngx_int_t
ngx_http_weir_hide_rebuild(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit, ngx_uint_t identify)
{
    ngx_uint_t             i, start, ours;
    ngx_list_t            *list;
    ngx_list_part_t        old, *part;
    ngx_table_elt_t       *h;
    ngx_http_weir_hide_t   hide;

    list = &r->headers_in.headers;
    old = list->part;
    ours = 0;

    hide.list = list;
    hide.last = NULL;
    hide.pool = r->pool;

    for (part = &old; part; part = part->next) {
        h = part->elts;
        start = 0;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_weir_hide_drops(visit, &h[i], &ours)) {
                continue;
            }

            if (r->headers_in.authorization == &h[i]) {
                r->headers_in.authorization = NULL;
            }

            if (ngx_http_weir_hide_piece(&hide, &h[start], i - start)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            start = i + 1;
        }

        if (ngx_http_weir_hide_piece(&hide, &h[start], part->nelts - start)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (identify
        && ngx_http_weir_hide_identify(&hide, visit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (hide.last == NULL) {
        return ngx_list_init(list, r->pool, list->nalloc, list->size);
    }

    /* a piece has no room behind it: it counts as full, so that whoever adds
     * to the list gets a new part */

    list->last = hide.last;
    list->nalloc = hide.last->nelts;

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_hide_request(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit, ngx_uint_t identify)
{
    ngx_uint_t        i, drops, ours;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    /* the first time there is something to do in any case */

    if (identify && !visit->hidden) {
        visit->hidden = 1;
        return ngx_http_weir_hide_rebuild(r, visit, 1);
    }

    drops = 0;
    ours = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            drops += ngx_http_weir_hide_drops(visit, &h[i], &ours);
        }
    }

    identify = identify && ours == 0;

    return drops || identify
           ? ngx_http_weir_hide_rebuild(r, visit, identify) : NGX_OK;
}


/* A variable that was used before the gate remembers its value. */

static void
ngx_http_weir_hide_variables(ngx_http_request_t *r,
    ngx_http_weir_process_t *p)
{
    ngx_uint_t  i;

    for (i = 0; i < p->nhidden; i++) {
        r->variables[p->hidden[i]].valid = 0;
        r->variables[p->hidden[i]].not_found = 0;
    }
}


/* the secret of each key in a text */

static void
ngx_http_weir_hide_mask(ngx_str_t *text)
{
    u_char      *p, *end, *last;
    weir_str_t   id;

    if (text->len < sizeof("weir_") - 1) {
        return;                     /* or NULL: of a request that was bad */
    }

    last = text->data + text->len;

    for (p = text->data;
         (p = ngx_strlcasestrn(p, last, (u_char *) "weir_", 5 - 1));
         p++)
    {
        for (end = p; end < last && end - p < WEIR_KEY_MAX; end++) {
            if (*end != '_' && !(*end >= '0' && *end <= '9')
                && !((*end | 0x20) >= 'a' && (*end | 0x20) <= 'z'))
            {
                break;
            }
        }

        if (weir_apikey_parse((weir_str_t) { (char *) p, end - p }, &id)) {
            ngx_memset((u_char *) id.data + WEIR_KEY_ID_LEN + 1,
                       NGX_HTTP_WEIR_STAR, WEIR_KEY_SECRET_LEN);
        }
    }
}


/* A key in the URI is no credential, but a secret nevertheless.  Where there is
 * no query, there is hardly a key. */

static void
ngx_http_weir_hide_uri(ngx_http_request_t *r)
{
    if (r->args.len == 0) {
        return;
    }

    ngx_http_weir_hide_mask(&r->args);
    ngx_http_weir_hide_mask(&r->unparsed_uri);
    ngx_http_weir_hide_mask(&r->request_line);
}


/* Called when the credentials have been read, and again when it is known whose
 * they are.  A subrequest's are those of the requests above it. */

ngx_int_t
ngx_http_weir_hide(ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                 identify;
    ngx_http_request_t        *r;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    /* the API does not look at them */

    identify = ctx->visit->key_id.len && !wlcf->api;

    for (r = ctx->request; r; r = r->parent) {

        if (ngx_http_weir_hide_request(r, ctx->visit, identify) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_weir_hide_uri(r);
    }

    ngx_http_weir_hide_variables(ctx->request, ctx->process);

    return NGX_OK;
}


/* Which indexed variables show what is hidden? */

void
ngx_http_weir_hide_init(ngx_http_weir_process_t *p, ngx_cycle_t *cycle)
{
    ngx_str_t                      name;
    ngx_uint_t                     i;
    ngx_http_variable_t           *v;
    ngx_http_core_main_conf_t     *cmcf;
    const ngx_http_weir_hidden_t  *hidden;

    i = 0;

    for (hidden = ngx_http_weir_hidden; hidden->name.len; hidden++) {
        if (hidden->ours.len) {
            ngx_http_weir_hidden_hash[i++] = ngx_hash_key(hidden->name.data,
                                                          hidden->name.len);
        }
    }

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (v[i].name.len <= 5
            || ngx_strncmp(v[i].name.data, "http_", 5) != 0)
        {
            continue;
        }

        name.data = v[i].name.data + 5;
        name.len = v[i].name.len - 5;

        if (p->nhidden < NGX_HTTP_WEIR_HIDDEN
            && ngx_http_weir_hide_find(&name))
        {
            p->hidden[p->nhidden++] = i;
        }
    }
}
