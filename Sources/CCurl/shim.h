#include <curl/curl.h>

// Swift cannot call C functions with variable arguments. Each of these passes one argument of one type.

static inline CURLcode ccurl_set_number(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode ccurl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*ccurl_writer)(char *bytes, size_t size, size_t count, void *user);

static inline CURLcode ccurl_set_writer(CURL *handle, ccurl_writer writer) {
    return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, writer);
}

static inline CURLcode ccurl_set_header_writer(CURL *handle, ccurl_writer writer) {
    return curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, writer);
}

/// Fills `bytes` with what is to be sent. The values are those of CURLOPT_READFUNCTION.
static inline CURLcode ccurl_set_reader(CURL *handle, ccurl_writer reader) {
    return curl_easy_setopt(handle, CURLOPT_READFUNCTION, reader);
}

/// A macro with a cast, which Swift does not import.
static const size_t ccurl_read_abort = CURL_READFUNC_ABORT;

typedef int (*ccurl_seeker)(void *user, curl_off_t offset, int origin);

static inline CURLcode ccurl_set_seeker(CURL *handle, ccurl_seeker seeker) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, seeker);
}

typedef int (*ccurl_progress)(void *user, curl_off_t down, curl_off_t downloaded, curl_off_t up, curl_off_t uploaded);

static inline CURLcode ccurl_set_progress(CURL *handle, ccurl_progress progress) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, progress);
}

static inline long ccurl_status(CURL *handle) {
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static inline const char *ccurl_content_type(CURL *handle) {
    const char *type = NULL;
    curl_easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
    return type;
}

/// The response's Retry-After in seconds; 0 if it has none.
static inline curl_off_t ccurl_retry_after(CURL *handle) {
    curl_off_t seconds = 0;
    curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds);
    return seconds;
}
