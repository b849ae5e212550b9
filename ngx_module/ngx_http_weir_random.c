/*
 * Random bytes for ids.  Owns the stock of a process: to draw a few bytes from
 * the library costs nearly as much as to draw a thousand.
 */

#include "ngx_http_weir_module.h"


/* p may be NULL, in a process that serves no API; len up to the stock's. */

ngx_int_t
ngx_http_weir_random(ngx_http_weir_process_t *p, unsigned char *out, size_t len)
{
    if (p == NULL) {
        return weir_digest_random(out, len) == 0 ? NGX_OK : NGX_ERROR;
    }

    if (p->random_left < len) {
        p->random_left = 0;

        if (weir_digest_random(p->random, sizeof(p->random)) != 0) {
            return NGX_ERROR;
        }

        p->random_left = sizeof(p->random);
    }

    p->random_left -= len;

    ngx_memcpy(out, p->random + p->random_left, len);
    weir_digest_wipe(p->random + p->random_left, len);

    return NGX_OK;
}
