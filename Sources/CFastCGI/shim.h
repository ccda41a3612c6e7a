// libfcgi's multi-threaded interface (FCGX_..._r): the only one that this program uses.
#include <fcgiapp.h>
