/*
 * The driver of a fuzz target without libFuzzer: hands it each file that is
 * named on the command line.  The target gets a copy of exactly the file's
 * length, so that a read behind the end is seen.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int
replay_file(const char *name)
{
    FILE     *f;
    long      size;
    uint8_t  *data;

    f = fopen(name, "rb");
    if (f == NULL) {
        perror(name);
        return 1;
    }

    if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        perror(name);
        fclose(f);
        return 1;
    }

    rewind(f);

    data = malloc(size ? (size_t) size : 1);
    if (data == NULL || fread(data, 1, (size_t) size, f) != (size_t) size) {
        perror(name);
        free(data);
        fclose(f);
        return 1;
    }

    fclose(f);

    /* a crash names its input: the last line before the report */
    if (getenv("V") != NULL) {
        fprintf(stderr, "%s\n", name);
    }

    (void) LLVMFuzzerTestOneInput(data, (size_t) size);
    free(data);

    return 0;
}


int
main(int argc, char **argv)
{
    int  bad, i;

    bad = 0;

    for (i = 1; i < argc; i++) {
        bad |= replay_file(argv[i]);
    }

    return bad;
}
