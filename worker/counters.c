/*
 * The counters.  Owns the shared memory; who writes to a slot is settled by
 * the supervisor.
 */

#include "counters.h"

#include <sys/mman.h>


#define COUNTERS_PREFIX  "weir_worker_"


typedef enum {
    COUNTERS_counter,
    COUNTERS_gauge,
    COUNTERS_highest
} counters_type_e;


typedef struct {
    const char       *family;
    const char       *labels;
    counters_type_e   type;
    const char       *help;
    size_t            offset;
} counters_row_t;


static const counters_row_t  counters_rows[] = {
#define COUNTERS_ROW(field, family, labels, type, help)                       \
    { family, labels, COUNTERS_##type, help, offsetof(counters_t, field) },
    COUNTERS(COUNTERS_ROW)
#undef COUNTERS_ROW
};

#define COUNTERS_ROWS  (sizeof(counters_rows) / sizeof(counters_row_t))


typedef struct {
    const char       *family;
    double            unit;
    const char       *help;
    size_t            offset;
    uint64_t          bounds[HISTOGRAM_BOUNDS];
} histogram_row_t;


static const histogram_row_t  histogram_rows[] = {
#define HISTOGRAMS_ROW(field, family, unit, help, ...)                        \
    { family, unit, help, offsetof(counters_t, field), { __VA_ARGS__ } },
    HISTOGRAMS(HISTOGRAMS_ROW)
#undef HISTOGRAMS_ROW
};

#define HISTOGRAM_ROWS  (sizeof(histogram_rows) / sizeof(histogram_row_t))


static uint64_t *
counters_field(const counters_t *c, const counters_row_t *row)
{
    return (uint64_t *) ((char *) c + row->offset);
}


static void
counters_write_head(const counters_row_t *row, const char *suffix,
    weir_buf_t *out)
{
    weir_buf_printf(out, "# HELP " COUNTERS_PREFIX "%s%s %s\n"
                    "# TYPE " COUNTERS_PREFIX "%s%s %s\n",
                    row->family, suffix, row->help, row->family, suffix,
                    row->type == COUNTERS_counter ? "counter" : "gauge");
}


counters_t *
counters_map(size_t n)
{
    void  *p;

    p = mmap(NULL, n * sizeof(counters_t), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}


void
counters_unmap(counters_t **c, size_t n)
{
    munmap(*c, n * sizeof(counters_t));
    *c = NULL;
}


void
counters_clear_gauges(counters_t *c)
{
    size_t  i;

    for (i = 0; i < COUNTERS_ROWS; i++) {
        if (counters_rows[i].type != COUNTERS_counter) {
            __atomic_store_n(counters_field(c, &counters_rows[i]), 0,
                             __ATOMIC_RELAXED);
        }
    }
}


/* histograms */

static histogram_t *
histogram_of(const counters_t *c, size_t offset)
{
    return (histogram_t *) ((char *) c + offset);
}


static void
histogram_raise(uint64_t *p, uint64_t n)
{
    __atomic_store_n(p, *p + n, __ATOMIC_RELAXED);
}


void
histogram_add(counters_t *c, size_t field, uint64_t value)
{
    size_t        i, k;
    histogram_t  *h;

    h = histogram_of(c, field);

    for (k = 0; histogram_rows[k].offset != field; k++) { /* void */ }

    for (i = 0; i < HISTOGRAM_BOUNDS && value > histogram_rows[k].bounds[i];
         i++)
    {
        /* void */
    }

    histogram_raise(&h->n[i], 1);
    histogram_raise(&h->sum, value);
}


static void
histogram_write(const histogram_row_t *row, const counters_t *c, size_t n,
    weir_buf_t *out)
{
    size_t        i, slot;
    uint64_t      below, sum;
    histogram_t  *h;

    weir_buf_printf(out, "# HELP " COUNTERS_PREFIX "%s %s\n"
                    "# TYPE " COUNTERS_PREFIX "%s histogram\n",
                    row->family, row->help, row->family);

    below = sum = 0;

    for (i = 0; i <= HISTOGRAM_BOUNDS; i++) {

        for (slot = 0; slot < n; slot++) {
            h = histogram_of(&c[slot], row->offset);
            below += __atomic_load_n(&h->n[i], __ATOMIC_RELAXED);
        }

        weir_buf_printf(out, COUNTERS_PREFIX "%s_bucket{le=\"", row->family);

        if (i < HISTOGRAM_BOUNDS) {
            weir_buf_printf(out, "%g", (double) row->bounds[i] * row->unit);

        } else {
            weir_buf_text(out, "+Inf");
        }

        weir_buf_printf(out, "\"} %llu\n", (unsigned long long) below);
    }

    for (slot = 0; slot < n; slot++) {
        h = histogram_of(&c[slot], row->offset);
        sum += __atomic_load_n(&h->sum, __ATOMIC_RELAXED);
    }

    weir_buf_printf(out, COUNTERS_PREFIX "%s_sum %.15g\n"
                    COUNTERS_PREFIX "%s_count %llu\n", row->family,
                    (double) sum * row->unit, row->family,
                    (unsigned long long) below);
}


void
counters_write(const counters_t *c, size_t n, weir_buf_t *out)
{
    size_t                 i, slot;
    uint64_t               sum, value;
    const char            *family, *suffix;
    const counters_row_t  *row;

    family = "";

    for (i = 0; i < COUNTERS_ROWS; i++) {
        row = &counters_rows[i];
        suffix = row->type == COUNTERS_counter ? "_total" : "";

        if (strcmp(family, row->family) != 0) {
            family = row->family;
            counters_write_head(row, suffix, out);
        }

        sum = 0;

        for (slot = 0; slot < n; slot++) {
            value = __atomic_load_n(counters_field(&c[slot], row),
                                    __ATOMIC_RELAXED);

            if (row->type != COUNTERS_highest) {
                sum += value;

            } else if (sum < value) {
                sum = value;
            }
        }

        weir_buf_printf(out, COUNTERS_PREFIX "%s%s%s%s%s %llu\n", family,
                        suffix, row->labels[0] ? "{" : "", row->labels,
                        row->labels[0] ? "}" : "", (unsigned long long) sum);
    }

    for (i = 0; i < HISTOGRAM_ROWS; i++) {
        histogram_write(&histogram_rows[i], c, n, out);
    }
}
