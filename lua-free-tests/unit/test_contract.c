/*
 * The names of common/weir_contract.h and those of docs/redis-contract.md:
 * what stands in one must stand in the other.  Runs in the root of the tree,
 * or in $WEIR_ROOT.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "weir_buf.h"
#include "weir_txn.h"
#include "weir_txn_ask.h"
#include "weir_txn_keys.h"
#include "weir_txn_limit.h"


#define NAMES_MAX  64
#define NAME_MAX   128


typedef struct {
    char      name[NAMES_MAX][NAME_MAX];
    unsigned  count;
} names_t;


static char  *header;
static char  *document;


static char *
slurp(const char *name)
{
    char         path[1024];
    FILE        *f;
    size_t       n;
    weir_buf_t   b = { 0 };
    const char  *root;

    root = getenv("WEIR_ROOT");
    snprintf(path, sizeof(path), "%s/%s", root ? root : ".", name);

    f = fopen(path, "r");
    assert_non_null(f);

    do {
        assert_non_null(weir_buf_reserve(&b, 4096));
        n = fread(b.data + b.len, 1, 4096, f);
        b.len += n;
    } while (n);

    fclose(f);
    weir_buf_add(&b, "", 1);
    assert_false(b.failed);

    return b.data;
}


static void
names_add(names_t *names, const char *name, size_t len)
{
    assert_true(names->count < NAMES_MAX);
    assert_true(len < NAME_MAX);

    memcpy(names->name[names->count], name, len);
    names->name[names->count++][len] = '\0';
}


static int
names_have(const names_t *names, const char *name)
{
    unsigned  i;

    for (i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], name) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
names_same(const names_t *in_header, const names_t *in_document)
{
    unsigned  i;

    assert_true(in_header->count > 0);

    for (i = 0; i < in_header->count; i++) {
        if (!names_have(in_document, in_header->name[i])) {
            fail_msg("\"%s\" is missing in the document", in_header->name[i]);
        }
    }

    for (i = 0; i < in_document->count; i++) {
        if (!names_have(in_header, in_document->name[i])) {
            fail_msg("\"%s\" is missing in the header", in_document->name[i]);
        }
    }
}


/* Placeholders, "%u", "%s", "%.*s", "%lld" here and "<what>" there, become
 * "*". */

static void
names_plain(char *name)
{
    char  *from, *to;

    for (from = to = name; *from; from++) {
        if (*from == '%') {
            from += 1 + strspn(from + 1, "l.*");
            *to++ = '*';

        } else if (*from == '<') {
            from += strcspn(from, ">");
            *to++ = '*';

        } else {
            *to++ = *from;
        }
    }

    *to = '\0';
}


/* the texts of "#define <prefix>..." but for names that end in "_PREFIX" */

static void
from_header(const char *prefix, names_t *names)
{
    char         want[64];
    size_t       word;
    const char  *p, *eol, *text, *end;

    memset(names, 0, sizeof(names_t));
    snprintf(want, sizeof(want), "\n#define %s", prefix);

    for (p = strstr(header, want); p; p = strstr(eol, want)) {
        p += strlen("\n#define ");
        eol = p + strcspn(p, "\n");
        word = strcspn(p, " \t\n");
        text = p + word + strspn(p + word, " \t");

        if (*text != '"'
            || (word > 7 && memcmp(p + word - 7, "_PREFIX", 7) == 0))
        {
            continue;
        }

        end = strchr(text + 1, '"');
        assert_true(end && end < eol);

        names_add(names, text + 1, (size_t) (end - text - 1));
        names_plain(names->name[names->count - 1]);
    }
}


/* the first cells of the rows of the table whose head starts with "column",
 * below "section" */

static void
from_document(const char *section, const char *column, names_t *names)
{
    char         head[64];
    const char  *p, *end;

    memset(names, 0, sizeof(names_t));

    p = strstr(document, section);
    assert_non_null(p);

    snprintf(head, sizeof(head), "\n| %s |", column);
    p = strstr(p, head);
    assert_non_null(p);

    p = strstr(p + 1, "\n| -");
    assert_non_null(p);
    p = strchr(p + 1, '\n') + 1;

    while (strncmp(p, "| `", 3) == 0) {
        end = strchr(p + 3, '`');
        names_add(names, p + 3, (size_t) (end - p - 3));
        names_plain(names->name[names->count - 1]);
        p = strchr(p, '\n') + 1;
    }
}


static void
compare(const char *prefix, const char *section, const char *column)
{
    names_t  in_header, in_document;

    from_header(prefix, &in_header);
    from_document(section, column, &in_document);
    names_same(&in_header, &in_document);
}


static void
test_keys(void **state)
{
    (void) state;
    compare("WEIR_KEY_", "\n## 5. Keys", "key");
}


static void
test_channels(void **state)
{
    (void) state;
    compare("WEIR_CHANNEL_", "\n## 9. Mail", "channel");
}


static void
test_fields(void **state)
{
    (void) state;
    compare("WEIR_JOB_", "\n## 6. Fields of a job", "field");
    compare("WEIR_RUN_", "\n## 7. Fields of a run", "field");
    compare("WEIR_ENTRY_", "\n## 8. Fields of an entry", "field");
    compare("WEIR_HOOK_", "\n### 10.16 Deliver", "delivery's field");
    compare("WEIR_HOLD_", "\n### 10.21 Decide", "hold's field");
    compare("WEIR_NEWS_", "\n### 10.23 API keys", "field of news");
    compare("WEIR_PURGE_", "\n### 10.30 Purge", "field of a purge");
}


static void
test_words(void **state)
{
    (void) state;
    compare("WEIR_STATE_", "\n## 4. Life of a run", "state");
    compare("WEIR_PART_", "\n## 6. Fields of a job", "what `part` says");
    compare("WEIR_MARK_", "\n### 10.30 Purge", "mark");
    compare("WEIR_TOKEN_", "\n## 7. Fields of a run", "token");
    compare("WEIR_USAGE_", "\n### 10.22 Settle", "name in a ledger");
    compare("WEIR_CLASS_", "\n## 8. Fields of an entry", "class");
}


static void
said(const char *fmt, long long n)
{
    char  text[128];

    snprintf(text, sizeof(text), fmt, n);

    if (strstr(document, text) == NULL) {
        fail_msg("\"%s\" is missing in the document", text);
    }
}


static void
test_numbers(void **state)
{
    (void) state;

    said("This is version %lld.", WEIR_CONTRACT_VERSION);
    said("An id is %lld characters", WEIR_ID_LEN);
    said("%lld the most", WEIR_SHARDS_MAX);
    said("A mailbox is %lld characters", WEIR_MAILBOX_LEN);
    said("generation x %lld + delivery", WEIR_TOKEN_GENERATION);
    said("larger\nthan %lld bytes", WEIR_MAIL_BODY_MAX);
    said("ms: %lld s after the submission", WEIR_DEADLINE_DEFAULT);
    said("%lld by default", WEIR_TTL_DEFAULT);
    said("or %lld s after a cancel", WEIR_TTL_TOMBSTONE);
    said("EXPIRE R %lld NX", WEIR_TTL_TOMBSTONE);
    said("| %lld s from the last arrival |", WEIR_TTL_WAITING);
    said("EXPIRE W %lld ", WEIR_TTL_WAITING);
    said("Up to %lld at once", WEIR_BATCH);
    said("| %lld s from the last try |", WEIR_TTL_HOOK);
    said("EXPIRE H %lld ", WEIR_TTL_HOOK);
    said("%lld if delivered", WEIR_TTL_HOOK_DONE);
    said("gone EX %lld ", WEIR_TTL_ENDPOINT);
    said("| %lld s longer than it says", WEIR_TTL_LIMIT);
    said("<lease + %lld s>", WEIR_TTL_LIMIT);
    said("Up to %lld names", WEIR_LIMITS_BATCH);
    said("ZADD settle <by + %lld>", WEIR_RESERVED);
    said("| %lld s from the last entry |", WEIR_TTL_USAGE);
    said("EXPIRE usage:<day> %lld ", WEIR_TTL_USAGE);
    said("n ids, up to %lld,", WEIR_KEYS_BATCH);
    said("XADD news MAXLEN ~ %lld ", WEIR_NEWS_MAX);
    said("+ COUNT %lld", WEIR_NEWS_BATCH);
    said("XRANGE purges (<last entry known> + COUNT %lld", WEIR_PURGES_BATCH);
    said("XADD purges MAXLEN ~ %lld ", WEIR_PURGES_MAX);
    said("A mark has at most %lld bytes", WEIR_MARK_LEN);
    said("EXPIRE marks %lld\n", WEIR_TTL_MARKS);
    said("SET answersat <id> EX %lld GET", WEIR_TTL_ANSWERS_AT);
    said("EXPIRE askers:<X> %lld NX", WEIR_TTL_ASKERS);
    said("at least %lld s |", WEIR_TTL_ASKED);
    said("asks, at most %lld s |", WEIR_ANSWER_MAX);
    said("ZADD ended NX <deadline + %lld>", WEIR_ENDED_GRACE);
    said("ZADD ended NX <created + %lld>", WEIR_ENDED_SOON);
    said("answer:<question> 0 %lld ", WEIR_ANSWER_HEAD - 1);
    said("<question> ..                            up to %lld",
         WEIR_ANSWERS_BATCH);
}


static void
test_group_and_member(void **state)
{
    (void) state;

    assert_non_null(strstr(document, "group `" WEIR_GROUP "`"));
    assert_non_null(strstr(document, "member `<class>:<generation>:<run>`"));
    assert_string_equal(WEIR_DELAYED_MEMBER, "%s:%lld:%s");
    assert_non_null(strstr(document, "`" WEIR_JOB_PREFIX "`"));
}


/* a comparison that cannot fail is none */

static void
test_itself(void **state)
{
    names_t  names;

    (void) state;

    from_header("WEIR_KEY_", &names);
    assert_int_equal(names.count, 46);
    assert_true(names_have(&names, "weir:{*}:outcome:*:*"));
    assert_true(names_have(&names, "weir:{keys}:key:*"));

    from_document("\n## 5. Keys", "key", &names);
    assert_int_equal(names.count, 46);
    assert_true(names_have(&names, "weir:{*}:outcome:*:*"));
    assert_true(names_have(&names, "weir:{keys}:key:*"));
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_itself),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_group_and_member)
    };

    header = slurp("common/weir_contract.h");
    document = slurp("docs/redis-contract.md");

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    free(header);
    free(document);

    return rc;
}
