// libfcgi's interface for threads (FCGX_..._r), the only one that this program uses.
#include <fcgiapp.h>
