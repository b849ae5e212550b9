/*
 * URLs of webhooks.  Pure.
 *
 * url = scheme "://" host [ ":" port ] [ path ] [ "?" query ], and what is not
 * exactly that is refused instead of repaired: two parsers that repair in
 * different ways are how such filters are passed.
 */

#include "weir_url.h"


#define WEIR_URL_HOST   253             /* bytes of a name, RFC 1035 */
#define WEIR_URL_LABEL  63

#define WEIR_URL_TOO_LONG  "is longer than 2048 bytes"


typedef struct {
    bool            https;
    bool            literal;            /* addr, not name */
    char            host[WEIR_URL_HOST + 1];
    weir_addr_t     addr;
    unsigned        port;
    weir_str_t      path;               /* with the query; may be empty */
} weir_url_t;


const weir_url_policy_t  weir_url_anywhere = {
    .allow = {
        .list = { { { 4, { 0 } }, 0 }, { { 6, { 0 } }, 0 } },
        .n = 2
    }
};

/* names that no public resolver knows, and all below them */

static const char *const  weir_url_local[] = {
    "localhost", "local", "internal", "localdomain", "home.arpa", NULL
};


/* the bytes of path and query: RFC 3986, 3.3 and 3.4 */

static bool
weir_url_path_ok(weir_str_t path)
{
    size_t  i;

    for (i = 0; i < path.len; i++) {
        if (path.data[i] <= ' ' || path.data[i] >= 0x7f
            || strchr("\"<>\\^`{|}", path.data[i]))
        {
            return false;
        }
    }

    return true;
}


static bool
weir_url_digit(char c)
{
    return c >= '0' && c <= '9';
}


/* What inet_aton(3), and so many a client, takes for a part of an address;
 * behind the label stands a dot or the end. */

static bool
weir_url_number(weir_str_t label)
{
    return (label.len >= 2 && label.data[0] == '0' && label.data[1] == 'x')
           || strspn(label.data, "0123456789") == label.len;
}


/* a name's labels, lower case; *last_r is the one that decides what it is */

static bool
weir_url_labels(const char *host, weir_str_t *last_r)
{
    size_t      i, start;
    weir_str_t  label;

    for (i = start = 0; /* void */ ; i++) {
        if (host[i] != '.' && host[i] != '\0') {
            if (host[i] != '-' && !weir_url_digit(host[i])
                && (host[i] < 'a' || host[i] > 'z'))
            {
                return false;
            }

            continue;
        }

        label = (weir_str_t) { host + start, i - start };

        if (label.len == 0 || label.len > WEIR_URL_LABEL
            || label.data[0] == '-' || label.data[label.len - 1] == '-')
        {
            return false;
        }

        if (host[i] == '\0') {
            *last_r = label;
            return true;
        }

        start = i + 1;
    }
}


static bool
weir_url_is_local(const char *host)
{
    size_t              len, n;
    const char *const  *name;

    len = strlen(host);

    for (name = weir_url_local; *name; name++) {
        n = strlen(*name);

        if (len >= n && strcmp(host + len - n, *name) == 0
            && (len == n || host[len - n - 1] == '.'))
        {
            return true;
        }
    }

    return false;
}


static const char *
weir_url_read_name(weir_str_t text, weir_url_t *u)
{
    size_t      i;
    weir_str_t  last;

    if (text.len == 0 || text.len > WEIR_URL_HOST) {
        return "has no host, or too long a name";
    }

    for (i = 0; i < text.len; i++) {
        u->host[i] = text.data[i];

        if (text.data[i] >= 'A' && text.data[i] <= 'Z') {
            u->host[i] |= 0x20;
        }
    }

    u->host[i] = '\0';

    /* a NUL within would end the name early */

    if (strlen(u->host) != text.len || !weir_url_labels(u->host, &last)) {
        return "has a host that is not a plain name or address: letters, "
               "digits, hyphens and single dots";
    }

    if (weir_url_number(last)) {
        u->literal = true;
        return weir_addr_parse(text, &u->addr)
               ? NULL : "has an IPv4 address that is not four decimal numbers";
    }

    return weir_url_is_local(u->host) ? "has a host of a local network" : NULL;
}


static const char *
weir_url_read_host(weir_str_t *rest, weir_url_t *u)
{
    size_t      n;
    weir_str_t  text;

    if (rest->len && rest->data[0] == '[') {
        for (n = 1; n < rest->len && rest->data[n] != ']'; n++) { /* void */ }

        text = (weir_str_t) { rest->data + 1, n - 1 };

        if (n == rest->len || !weir_addr_parse(text, &u->addr)
            || u->addr.family != 6)
        {
            return "has an IPv6 address that cannot be read";
        }

        u->literal = true;
        n++;
        rest->data += n;
        rest->len -= n;

        return NULL;
    }

    for (n = 0; n < rest->len && rest->data[n] != ':'; n++) { /* void */ }

    text = (weir_str_t) { rest->data, n };
    rest->data += n;
    rest->len -= n;

    return weir_url_read_name(text, u);
}


static bool
weir_url_read_port(weir_str_t text, unsigned *port_r)
{
    int64_t  n;

    if (!weir_str_digits(text, 5, &n) || text.data[0] == '0' || n > 65535) {
        return false;
    }

    *port_r = (unsigned) n;

    return true;
}


static bool
weir_url_skip(weir_str_t *s, const char *word)
{
    size_t  i;

    for (i = 0; word[i]; i++) {
        if (i >= s->len || ((s->data[i] >= 'A' && s->data[i] <= 'Z')
                            ? s->data[i] | 0x20 : s->data[i]) != word[i])
        {
            return false;
        }
    }

    s->data += i;
    s->len -= i;

    return true;
}


/* NULL: it is an URL */

static const char *
weir_url_read(weir_str_t url, weir_url_t *u)
{
    size_t       n;
    weir_str_t   host;
    const char  *why;

    memset(u, 0, sizeof(weir_url_t));

    if (url.len > WEIR_URL_MAX) {
        return WEIR_URL_TOO_LONG;
    }

    if (!weir_url_path_ok(url)) {
        return "has a byte that must be percent-encoded";
    }

    if (memchr(url.data ? url.data : "", '#', url.len)) {
        return "has a fragment";
    }

    if (weir_url_skip(&url, "https://")) {
        u->https = true;

    } else if (!weir_url_skip(&url, "http://")) {
        return "does not start with https://";
    }

    for (n = 0; n < url.len && url.data[n] != '/' && url.data[n] != '?'; n++) {
        if (url.data[n] == '@') {
            return "has a user";
        }
    }

    host = (weir_str_t) { url.data, n };
    u->path = (weir_str_t) { url.data + n, url.len - n };
    u->port = u->https ? 443 : 80;

    why = weir_url_read_host(&host, u);

    if (why == NULL && host.len
        && (host.data[0] != ':'
            || !weir_url_read_port((weir_str_t) { host.data + 1, host.len - 1 },
                                   &u->port)))
    {
        why = "has a port that is not a number from 1 to 65535";
    }

    return why;
}


static void
weir_url_write(const weir_url_t *u, weir_buf_t *b)
{
    char  text[WEIR_ADDR_TEXT];

    weir_buf_text(b, u->https ? "https://" : "http://");

    if (u->literal) {
        weir_addr_text(&u->addr, text);
        weir_buf_printf(b, u->addr.family == 6 ? "[%s]" : "%s", text);

    } else {
        weir_buf_text(b, u->host);
    }

    if (u->port != (u->https ? 443 : 80)) {
        weir_buf_printf(b, ":%u", u->port);
    }

    if (u->path.len == 0 || u->path.data[0] == '?') {
        weir_buf_text(b, "/");
    }

    weir_buf_str(b, u->path);
}


/* the rules: what an address must be, and what holds before it is known */

static const char *
weir_url_rule(const weir_url_policy_t *policy, bool https, unsigned port)
{
    unsigned  i;

    if (!https) {
        return "does not start with https://";
    }

    if (port == 443 || port == 8443) {
        return NULL;
    }

    for (i = 0; i < policy->nports; i++) {
        if (policy->ports[i] == port) {
            return NULL;
        }
    }

    return "has a port that is not allowed";
}


static const char *
weir_url_rule_address(const weir_url_policy_t *policy, bool https,
    unsigned port, const weir_addr_t *addr)
{
    if (weir_cidrs_have(&policy->allow, addr)) {
        return NULL;
    }

    return weir_addr_special(addr) ? "has an address that is not public"
                                   : weir_url_rule(policy, https, port);
}


bool
weir_url_check(weir_str_t url, const weir_url_policy_t *policy,
    weir_buf_t *canonical, const char **why_r)
{
    size_t       start;
    weir_url_t   u;
    const char  *why;

    why = weir_url_read(url, &u);

    if (why == NULL) {
        if (u.literal) {
            why = weir_url_rule_address(policy, u.https, u.port, &u.addr);

        } else if (policy->allow.n == 0) {
            why = weir_url_rule(policy, u.https, u.port);
        }

        /* else: the name may be that of an allowed address */
    }

    if (why == NULL && canonical) {
        start = canonical->len;
        weir_url_write(&u, canonical);

        if (canonical->failed || canonical->len - start > WEIR_URL_MAX) {
            canonical->len = start;
            why = WEIR_URL_TOO_LONG;
        }
    }

    if (why) {
        *why_r = why;
        return false;
    }

    return true;
}


bool
weir_url_may_connect(const weir_url_policy_t *policy, bool https,
    const struct sockaddr *sa, const char **why_r)
{
    unsigned      port;
    const char   *why;
    weir_addr_t   addr;

    why = weir_addr_of(sa, &addr, &port)
          ? weir_url_rule_address(policy, https, port, &addr)
          : "has an address of an unknown family";

    if (why) {
        *why_r = why;
        return false;
    }

    return true;
}


bool
weir_url_policy_port(weir_url_policy_t *policy, weir_str_t word,
    const char **why_r)
{
    unsigned  port;

    if (!weir_url_read_port(word, &port)) {
        *why_r = "it is not a number from 1 to 65535";
        return false;
    }

    if (policy->nports == WEIR_URL_PORTS) {
        *why_r = "there are more than 16 of them";
        return false;
    }

    policy->ports[policy->nports++] = (unsigned short) port;

    return true;
}
