#include <cjose/cjose.h>
#include <cjose/base64.h>
#include <jansson.h>
