/*
 * Sending a webhook: signs, calls, and judges the answer.  Never follows a
 * redirect, and connects only to where the rules of weir_url.h let it.
 */

#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "trace.h"
#include "weir_version.h"


#define WEBHOOK_CONNECT    (10 * 1000)          /* ms */
#define WEBHOOK_BODY_MAX   (64 * 1024)          /* bytes of an answer */
#define WEBHOOK_HEAD_MAX   (16 * 1024)
#define WEBHOOK_HEADERS    6                    /* of each call */


static bool
webhook_may_connect(void *data, bool https, const struct sockaddr *sa,
    const char **why_r)
{
    const conf_webhook_t  *conf;

    conf = data;

    return weir_url_may_connect(&conf->policy, https, sa, why_r);
}


http_t *
webhook_http_create(runner_t *r)
{
    http_options_t         o;
    const conf_webhook_t  *conf;

    conf = &r->conf->webhook;
    memset(&o, 0, sizeof(http_options_t));

    o.proxy = conf->proxy;
    o.ca_file = conf->ca_file;
    o.connect_timeout = conf->timeout < WEBHOOK_CONNECT ? conf->timeout
                                                        : WEBHOOK_CONNECT;
    o.idle_timeout = conf->timeout;
    o.connections = WEBHOOK_MOST;       /* that rest, too */
    o.body_max = WEBHOOK_BODY_MAX;
    o.head_max = WEBHOOK_HEAD_MAX;

    /* a proxy has an address of the operator's choice, and resolves names by
     * itself: the rules for addresses are then its own */

    if (conf->proxy == NULL) {
        o.guard = webhook_may_connect;
        o.guard_data = (void *) conf;
    }

    return http_create(r->loop, &o);
}


/* the answer */

static bool
webhook_is_throttle(unsigned status)
{
    return status == 429 || (status >= 502 && status <= 504);
}


static void
webhook_judge(const http_reply_t *reply, webhook_result_t *result)
{
    const char  *error;

    error = reply->error ? reply->error : "";
    result->tried = true;

    /* a receiver that has said what it thinks may then hang or babble */

    if (reply->headed) {
        result->status = reply->status;
    }

    if (result->status >= 200 && result->status <= 299) {
        result->verdict = WEBHOOK_DELIVERED;

    } else if (result->status == 410) {
        result->verdict = WEBHOOK_GONE;
        error = "the receiver answered 410";

    } else if (result->status) {
        result->verdict = WEBHOOK_STATUS;
        error = "the receiver answered with another status than 2xx";

        if (webhook_is_throttle(result->status)) {
            result->retry_after = reply->retry_after;
        }

    } else {
        result->verdict = reply->refused ? WEBHOOK_REFUSED
                          : reply->timed_out ? WEBHOOK_TIMEOUT
                                             : WEBHOOK_TRANSPORT;
    }

    snprintf(result->error, sizeof(result->error), "%s%s",
             result->verdict == WEBHOOK_REFUSED ? "the URL " : "",
             result->verdict == WEBHOOK_DELIVERED ? "" : error);
}


static void
webhook_on_reply(void *data, const http_reply_t *reply)
{
    delivery_t        *d;
    webhook_result_t   result;

    d = data;
    d->call = NULL;
    memset(&result, 0, sizeof(webhook_result_t));
    webhook_judge(reply, &result);

    http_target_destroy(&d->target);
    webhook_done(d, &result);
}


/* the call */

static bool
webhook_aim(delivery_t *d)
{
    char             id[64], timestamp[64], signature[256];
    char             message[WEIR_ID_LEN + 8];
    char             signatures[WEIR_SIGNATURES_TEXT];
    char             digits[WEIR_DECIMAL_MAX];
    runner_t        *r;
    weir_str_t       now;
    trace_lines_t    lines;
    weir_secrets_t   secrets;

    const char  *headers[] = {
        id, timestamp, signature, "Content-Type: application/json",
        "User-Agent: Weir/" WEIR_VERSION, "Expect:", NULL, NULL, NULL
    };

    r = d->webhook->runner;

    if (!weir_secrets_read(weir_str_of(d->secret), &secrets)) {
        return false;
    }

    /* the same for all tries: receivers know a repetition by it */

    snprintf(message, sizeof(message), "msg_%s", d->entry.id);
    snprintf(id, sizeof(id), "webhook-id: %s", message);

    now = weir_decimal(digits, (long long) runner_now(r) / 1000);
    snprintf(timestamp, sizeof(timestamp), "webhook-timestamp: %.*s",
             (int) now.len, now.data);

    mem_check(weir_webhook_sign(&secrets, weir_str_of(message), now,
                                (weir_str_t) { d->body.data, d->body.len },
                                signatures)
              != 0);
    weir_secrets_wipe(&secrets);

    snprintf(signature, sizeof(signature), "webhook-signature: %s", signatures);

    (void) trace_lines(&lines, weir_str_of(d->trace),
                       &headers[WEBHOOK_HEADERS]);
    d->target = http_target_create(d->webhook->http, d->url, headers);

    return true;
}


/* what was registered may no longer be allowed, or came another way */

static bool
webhook_canonical(delivery_t *d, const char **why_r)
{
    bool        ok;
    weir_buf_t  url;

    weir_buf_init(&url, 0);
    ok = weir_url_check(weir_str_of(d->url),
                        &d->webhook->runner->conf->webhook.policy, &url,
                        why_r);

    if (ok) {
        mem_check(url.failed);
        free(d->url);
        d->url = mem_copy((weir_str_t) { url.data, url.len });
    }

    weir_buf_free(&url);

    return ok;
}


void
webhook_send(delivery_t *d)
{
    const char        *why;
    webhook_result_t   result;

    memset(&result, 0, sizeof(webhook_result_t));
    result.verdict = WEBHOOK_REFUSED;

    if (!webhook_canonical(d, &why)) {
        snprintf(result.error, sizeof(result.error), "the URL %s", why);
        webhook_done(d, &result);
        return;
    }

    if (!webhook_aim(d)) {
        snprintf(result.error, sizeof(result.error),
                 "the secret cannot be read");
        webhook_done(d, &result);
        return;
    }

    d->begun = loop_now(d->webhook->runner->loop);
    d->call = http_call(d->target, (weir_str_t) { d->body.data, d->body.len },
                        NULL, d->webhook->runner->conf->webhook.timeout,
                        webhook_on_reply, d);
}


void
webhook_send_cancel(delivery_t *d)
{
    http_cancel(&d->call);
    http_target_destroy(&d->target);
}
