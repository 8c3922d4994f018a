// CProtobufC: libprotobuf-c as Swift sees it.
#include <protobuf-c/protobuf-c.h>
