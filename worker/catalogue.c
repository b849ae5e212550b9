/*
 * The catalogue of models, written by the first runner only: the names of
 * worker.conf, and, where "*" leads to a provider that can say what it has,
 * its list.  A list that could not be fetched leaves the last one standing.
 */

#include "runner.h"

#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "mem.h"
#include "weir_money.h"


#define CATALOGUE_EVERY  10000          /* ms */
#define CATALOGUE_FETCH  60000          /* ms */


struct catalogue_s {
    runner_t      *runner;
    loop_timer_t   write;
    loop_timer_t   fetch;
    int64_t        created;             /* s */
    char         **ids;                 /* of the provider behind "*" */
    size_t         n;
};


static const conf_model_t *
catalogue_any(const runner_t *r)
{
    const conf_model_t  *m;

    m = conf_model(r->conf, "", 0);

    return m;                           /* "" is no name: only "*" matches */
}


static void
catalogue_add_prices(weir_buf_t *out, const conf_model_t *m)
{
    char  input[WEIR_DOLLARS_MAX], output[WEIR_DOLLARS_MAX];

    weir_buf_printf(out, "\"input_price\":\"%s\",\"output_price\":\"%s\"}",
                    weir_dollars_text(input, m->input_price),
                    weir_dollars_text(output, m->output_price));
}


static void
catalogue_add(weir_buf_t *out, const catalogue_t *c, const char *id,
    const conf_model_t *m)
{
    if (out->data[out->len - 1] == '}') {
        weir_buf_text(out, ",");
    }

    weir_buf_text(out, "{\"id\":");
    weir_json_quote(out, weir_str_of(id));
    weir_buf_printf(out, ",\"created\":%lld,\"owned_by\":",
                    (long long) c->created);
    weir_json_quote(out, weir_str_of(m->provider));
    weir_buf_text(out, ",");
    catalogue_add_prices(out, m);
}


static void
catalogue_build(const catalogue_t *c, weir_buf_t *out)
{
    size_t               i;
    const conf_t        *conf;
    const conf_model_t  *any;

    conf = c->runner->conf;
    any = catalogue_any(c->runner);

    weir_buf_text(out, "{\"models\":[");

    for (i = 0; i < conf->nmodels; i++) {
        if (&conf->models[i] != any) {
            catalogue_add(out, c, conf->models[i].name, &conf->models[i]);
        }
    }

    for (i = 0; i < c->n; i++) {

        /* a name of our own goes before the provider's */

        if (conf_model(conf, c->ids[i], strlen(c->ids[i])) == any) {
            catalogue_add(out, c, c->ids[i], any);
        }
    }

    weir_buf_text(out, "]");

    /* what the names cost that nobody could list */

    if (any) {
        weir_buf_text(out, ",\"any\":{");
        catalogue_add_prices(out, any);
    }

    weir_buf_text(out, "}");
    mem_check(out->failed);
}


static void
catalogue_write(void *data)
{
    runner_t     *r;
    weir_buf_t    text;
    weir_txn_t   *t;
    catalogue_t  *c;

    c = data;
    r = c->runner;

    loop_timer_set(r->loop, &c->write, redis_is_up(r->cmd) ? CATALOGUE_EVERY
                                                           : 200);

    weir_buf_init(&text, 0);
    catalogue_build(c, &text);

    t = runner_txn(r);
    weir_txn_catalogue_set(t, (weir_str_t) { text.data, text.len });
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL, NULL);

    weir_buf_free(&text);
}


static void
catalogue_forget(catalogue_t *c)
{
    size_t  i;

    for (i = 0; i < c->n; i++) {
        free(c->ids[i]);
    }

    free(c->ids);
    c->ids = NULL;
    c->n = 0;
}


static void
catalogue_on_models(void *data, const char *const *ids, size_t n)
{
    size_t        i;
    catalogue_t  *c;

    c = data;

    if (ids == NULL) {
        LOG(LOG_WARN, "models_not_fetched",
            log_text("provider", catalogue_any(c->runner)->provider));
        return;
    }

    catalogue_forget(c);
    c->ids = mem_alloc(n * sizeof(char *));

    for (i = 0; i < n; i++) {
        c->ids[i] = mem_text(ids[i]);
    }

    c->n = n;
    catalogue_write(c);
}


static void
catalogue_fetch(void *data)
{
    provider_t          *p;
    catalogue_t         *c;
    const conf_model_t  *any;

    c = data;
    any = catalogue_any(c->runner);

    if (any == NULL) {
        return;
    }

    p = c->runner->providers[any->to];

    loop_timer_set(c->runner->loop, &c->fetch, CATALOGUE_FETCH);
    p->dialect->models(p, catalogue_on_models, c);
}


catalogue_t *
catalogue_create(runner_t *r)
{
    catalogue_t  *c;

    c = mem_alloc(sizeof(catalogue_t));
    c->runner = r;
    c->created = time(NULL);

    c->write.fn = catalogue_write;
    c->write.data = c;
    c->fetch.fn = catalogue_fetch;
    c->fetch.data = c;

    if (r->leader) {
        loop_timer_set(r->loop, &c->write, 1);
        loop_timer_set(r->loop, &c->fetch, 1);
    }

    return c;
}


void
catalogue_stop(catalogue_t *c)
{
    loop_timer_stop(c->runner->loop, &c->write);
    loop_timer_stop(c->runner->loop, &c->fetch);
}


void
catalogue_destroy(catalogue_t **cp)
{
    catalogue_stop(*cp);
    catalogue_forget(*cp);
    free(*cp);
    *cp = NULL;
}
