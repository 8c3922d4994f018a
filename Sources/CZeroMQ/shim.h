// CZeroMQ: libzmq as Swift sees it, and the eventfd(2) that wakes a zmq_poll.
#ifndef SWIFTLET_CZEROMQ_SHIM_H
#define SWIFTLET_CZEROMQ_SHIM_H

#include <sys/eventfd.h>
#include <zmq.h>

#endif
