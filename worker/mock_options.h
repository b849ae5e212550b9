/*
 * The command line of weir-mock-llm.
 */

#ifndef MOCK_OPTIONS_H
#define MOCK_OPTIONS_H


#include <sys/socket.h>

#include "mock_plan.h"


struct mock_options {
    struct sockaddr_storage  address;
    socklen_t                address_len;
    const char              *port_file;     /* NULL: none */
    const char              *call_log;      /* NULL: none */
    struct mock_plan         plan;
};


/* Ends the process: status 0 after --help or --version, 2 after one line
 * about a bad option. */
void mock_options_parse(struct mock_options *options, int argc, char **argv);


#endif /* MOCK_OPTIONS_H */
