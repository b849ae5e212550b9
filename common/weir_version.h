/*
 * The version that every program of the tree shows.
 */

#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H


#define WEIR_VERSION  "0.1.0"


#endif /* WEIR_VERSION_H */
