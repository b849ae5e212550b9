/*
 * Memory of the worker: an allocation that fails ends the process with a
 * message, and the leases return its jobs.
 */

#ifndef MEM_H
#define MEM_H


#include "weir_buf.h"


/* Zeroed memory; never NULL. */
void *mem_alloc(size_t size);
void *mem_grow(void *p, size_t size);

/* A terminated copy that the caller frees. */
char *mem_copy(weir_str_t s);
char *mem_text(const char *text);

/* What failed for want of memory, or passed its limit: dies too. */
void mem_check(bool failed);

void mem_die(void) __attribute__((noreturn));

/* 32 bits of chance from the kernel. */
uint32_t mem_chance(void);


#endif /* MEM_H */
