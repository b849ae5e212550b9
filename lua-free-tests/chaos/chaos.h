/*
 * What the parts of the chaos harness share: the clock, the dice, logs of one
 * line each, the environment.  Knows nothing of Weir.
 */

#ifndef CHAOS_H
#define CHAOS_H


#include <stdint.h>


typedef struct {
    uint64_t  state;
} chaos_dice_t;


/* ms since 1970; all parts run on one machine, and so on one clock */
int64_t chaos_now(void);

/* The same seed and the same stream give the same course. */
void chaos_dice(chaos_dice_t *dice, uint64_t seed, const char *stream);

/* 0 to n - 1 */
unsigned chaos_roll(chaos_dice_t *dice, unsigned n);

/* Appends to CHAOS_DIR/name; ends the process if that fails. */
int chaos_log_open(const char *name);

/* "<ms> ..." in one write */
__attribute__((format(printf, 2, 3)))
void chaos_log(int fd, const char *fmt, ...);

__attribute__((format(printf, 1, 2), noreturn))
void chaos_die(const char *fmt, ...);

const char *chaos_env(const char *name);
long chaos_env_number(const char *name, long otherwise);

/* below CHAOS_DIR; a static buffer */
const char *chaos_path(const char *name);


#endif /* CHAOS_H */
