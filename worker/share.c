/*
 * Sharing slots among classes.  A turn is a slot, not a read, so that the
 * shares hold whatever number of slots becomes free at a time.
 */

#include "share.h"

#include <string.h>


#define SHARE_TURNS  16
#define SHARE_EMPTY  10         /* ms: until a class is asked again */


/* the first choice of each turn, spread out */

static const unsigned char  share_turns[SHARE_TURNS] = {
    WEIR_HIGH, WEIR_NORMAL, WEIR_HIGH, WEIR_HIGH,
    WEIR_HIGH, WEIR_NORMAL, WEIR_HIGH, WEIR_LOW,
    WEIR_HIGH, WEIR_NORMAL, WEIR_HIGH, WEIR_HIGH,
    WEIR_HIGH, WEIR_NORMAL, WEIR_HIGH, WEIR_HIGH
};


bool
share_out(share_t *s, unsigned n, uint64_t now, unsigned counts_r[WEIR_CLASSES])
{
    unsigned  i, class;

    memset(counts_r, 0, WEIR_CLASSES * sizeof(unsigned));

    for (i = 0; i < n; i++) {
        class = share_turns[s->turn];

        if (s->empty[class] > now) {
            for (class = 0; class < WEIR_CLASSES; class++) {
                if (s->empty[class] <= now) {
                    break;
                }
            }

            if (class == WEIR_CLASSES) {
                return false;
            }
        }

        counts_r[class]++;
        s->turn = (s->turn + 1) % SHARE_TURNS;
    }

    return n > 0;
}


void
share_empty(share_t *s, weir_class_e class, uint64_t now)
{
    s->empty[class] = now + SHARE_EMPTY;
}
