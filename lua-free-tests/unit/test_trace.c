/*
 * Trace context: check AP-15.  The cases are those of trace-cases.txt, each a
 * test of its own.
 */

#include "unit.h"
#include "weir_trace.h"


#define CASES      42
#define LINES_MAX  1024
#define FIELD_MAX  1200
#define FIELDS     8


typedef struct {
    char      *name;
    unsigned   first;                   /* its lines */
    unsigned   end;
} case_t;


static char      *lines[LINES_MAX];
static unsigned   nlines;
static case_t     cases[CASES];
static unsigned   ncases;


static char *
line_of(const char *text, size_t n)
{
    char  *line;

    line = calloc(1, n + 1);
    assert_non_null(line);
    memcpy(line, text, n);

    return line;
}


static void
cases_read(void)
{
    char         path[1024], line[1024];
    FILE        *f;
    const char  *root;

    root = getenv("WEIR_ROOT");
    snprintf(path, sizeof(path), "%s/lua-free-tests/unit/trace-cases.txt",
             root ? root : ".");

    f = fopen(path, "r");

    if (f == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }

    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';

        if (line[0] == '=' && ncases < CASES) {
            cases[ncases].name = line_of(line + 2, strlen(line + 2));
            cases[ncases].first = nlines;
            cases[ncases++].end = nlines;

        } else if ((line[0] == '>' || line[0] == '<') && ncases
                   && nlines < LINES_MAX)
        {
            lines[nlines++] = line_of(line, strlen(line));
            cases[ncases - 1].end = nlines;
        }
    }

    fclose(f);
}


static void
cases_free(void)
{
    while (nlines) {
        free(lines[--nlines]);
    }

    while (ncases) {
        free(cases[--ncases].name);
    }
}


/* what the file writes otherwise */

static void
unfold(char *to, const char *from)
{
    int       n;
    char      c;
    unsigned  count;
    char     *end;

    end = to + FIELD_MAX - 1;

    while (*from && to < end) {

        if (sscanf(from, "{%c*%u}%n", &c, &count, &n) == 2) {
            assert_true(count < (unsigned) (end - to));
            memset(to, c, count);
            to += count;
            from += n;
            continue;
        }

        if (*from == '\\') {
            from++;
            *to++ = *from == 't' ? '\t' : *from == 's' ? ' ' : *from;
            from++;
            continue;
        }

        *to++ = *from++;
    }

    assert_true(*from == '\0');
    *to = '\0';
}


static void
request_expect(weir_trace_fields_t *f, const char *parent, const char *expect)
{
    char            word[4], text[WEIR_TRACE_MAX];
    size_t          n;
    unsigned        flags;
    weir_str_t      state;
    weir_trace_t    t, back;
    unsigned char   random[WEIR_TRACE_RANDOM];

    assert_int_equal(sscanf(expect, "%3s %x", word, &flags), 2);
    memset(random, 0xab, sizeof(random));

    if (strcmp(word, "on") == 0) {
        assert_true(weir_trace_fields_read(f, &t));
        assert_non_null(strstr(parent, t.trace_id));
        assert_non_null(strstr(parent, t.span_id));
        weir_trace_child(&t, random);

    } else {
        assert_false(weir_trace_fields_read(f, &t));
        weir_trace_start(&t, random);
    }

    assert_int_equal(t.flags, flags);
    assert_null(strstr(parent, t.span_id));

    n = weir_trace_write(&t, &f->state, text);
    assert_true(weir_trace_read((weir_str_t) { text, n }, &back, &state));
    assert_string_equal(back.trace_id, t.trace_id);
    assert_string_equal(back.span_id, t.span_id);
    assert_int_equal(back.flags, flags);

    /* a word, a space, two digits, a space */

    expect += strlen(word) + 3;
    expect += *expect == ' ';

    if (!weir_str_eq(state, weir_str_of(expect))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int) state.len, state.data, expect);
    }
}


static void
test_case(void **data)
{
    char                  field[FIELDS][FIELD_MAX], parent[2 * FIELD_MAX];
    char                  expect[FIELD_MAX];
    size_t                n;
    unsigned              i, k;
    const char           *value;
    const case_t         *c = *data;
    weir_trace_fields_t   f;

    assert_true(c->first < c->end);
    assert_int_equal(lines[c->end - 1][0], '<');

    memset(&f, 0, sizeof(f));
    parent[0] = '\0';

    for (i = c->first, k = 0; i < c->end; i++) {

        if (lines[i][0] == '>') {
            assert_true(k < FIELDS);
            unfold(field[k], lines[i] + 2);
            n = strcspn(field[k], ":");
            value = field[k][n] ? field[k] + n + 1 : field[k] + n;

            weir_trace_fields_add(&f, (weir_str_t) { field[k], n },
                                  weir_str_of(value));
            snprintf(parent + strlen(parent), FIELD_MAX, "%.200s\n", value);
            k++;
            continue;
        }

        unfold(expect, lines[i] + 2);
        request_expect(&f, parent, expect);

        memset(&f, 0, sizeof(f));
        parent[0] = '\0';
        k = 0;
    }
}


static void
test_ids_of_zeros(void **state)
{
    weir_trace_t   t;
    unsigned char  random[WEIR_TRACE_RANDOM] = { 0 };

    (void) state;

    weir_trace_start(&t, random);
    assert_string_equal(t.trace_id, "00000000000000000000000000000001");
    assert_string_equal(t.span_id, "0000000000000001");
}


static void
test_written(void **state)
{
    char           text[WEIR_TRACEPARENT_LEN + 1];
    unsigned       i;
    weir_trace_t   t;
    unsigned char  random[WEIR_TRACE_RANDOM];

    (void) state;

    for (i = 0; i < sizeof(random); i++) {
        random[i] = (unsigned char) (i + 1);
    }

    weir_trace_start(&t, random);
    t.flags |= WEIR_TRACE_SAMPLED;
    weir_traceparent_write(&t, text);
    assert_string_equal(text, "00-0102030405060708090a0b0c0d0e0f10-"
                              "1112131415161718-03");
}


/* nothing that Redis holds becomes a line of its own */

static void
test_record_bad(void **state)
{
    size_t        i;
    weir_str_t    s;
    weir_trace_t  t;

#define P  "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

    static const char  *none[] = {
        "", "x", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-0",
        P "1", P ",a=1", P "-more", " " P, "ff" P, P "\r\nX: y"
    };

    static const char  *stateless[] = {
        P, P " ", P " a", P " a=1\r\nX: y", P " a=b=c", P " A=1"
    };

    (void) state;

    for (i = 0; i < ROWS(none); i++) {
        assert_false(weir_trace_read(weir_str_of(none[i]), &t, &s));
        assert_int_equal(s.len, 0);
    }

    for (i = 0; i < ROWS(stateless); i++) {
        assert_true(weir_trace_read(weir_str_of(stateless[i]), &t, &s));
        assert_int_equal(s.len, 0);
    }

    assert_true(weir_trace_read(weir_str(P " a=1,b=2"), &t, &s));
    assert_true(weir_str_eq(s, weir_str("a=1,b=2")));
    assert_false(weir_trace_read(weir_str_null, &t, &s));
}


static void
test_all_cases(void **state)
{
    (void) state;

    assert_int_equal(ncases, CASES);
}


int
main(void)
{
    int                rc;
    size_t             i;
    struct CMUnitTest  tests[CASES + 4] = {
        cmocka_unit_test(test_all_cases),
        cmocka_unit_test(test_ids_of_zeros),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_record_bad)
    };

    cases_read();

    for (i = 0; i < ncases; i++) {
        tests[4 + i] = (struct CMUnitTest) { cases[i].name, test_case, NULL,
                                             NULL, &cases[i] };
    }

    rc = _cmocka_run_group_tests("trace", tests, 4 + ncases, NULL, NULL);
    cases_free();

    return rc;
}
