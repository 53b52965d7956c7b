/* An NVRTC that is none: of version MAJOR.MINOR, for sm_75, sm_90 and sm_TARGET. What it makes of any source is the emptiest cubin
 * that passes for one, or PTX if it is asked for a virtual architecture. */
#include <stdlib.h>
#include <string.h>

static const char text[] = "//\n.version 8.4\n.target sm_" TARGET "\n";
static const char words[] = "ptxas info    : Used 10 registers, 64 bytes smem\n";
static const char header[64] = {0x7f, 'E', 'L', 'F', 2, 1, [18] = (char)190};

int nvrtcVersion(int *major, int *minor) { *major = MAJOR; *minor = MINOR; return 0; }
const char *nvrtcGetErrorString(int code) { return code ? "fake words" : "no error"; }
int nvrtcGetNumSupportedArchs(int *count) { *count = 3; return 0; }
int nvrtcGetSupportedArchs(int *archs) { archs[0] = 75; archs[1] = 90; archs[2] = atoi(TARGET); return 0; }
int nvrtcCreateProgram(void **program, const char *source, const char *name, int n, const char *const *headers, const char *const *names) {
    *program = calloc(1, 1);
    return source == NULL || name == NULL || n != 0 || headers || names;
}
int nvrtcDestroyProgram(void **program) { free(*program); return 0; }
int nvrtcCompileProgram(void *program, int count, const char *const *options) {
    for (int i = 0; i < count; i++) *(char *)program |= strstr(options[i], "=compute_" TARGET) != NULL;
    return 0;
}
int nvrtcGetProgramLogSize(void *program, size_t *size) { *size = sizeof words; return program == NULL; }
int nvrtcGetProgramLog(void *program, char *log) { memcpy(log, words, sizeof words); return program == NULL; }
int nvrtcGetCUBINSize(void *program, size_t *size) { *size = *(char *)program ? 0 : sizeof header; return 0; }
int nvrtcGetCUBIN(void *program, char *cubin) { memcpy(cubin, header, sizeof header); return *(char *)program; }
int nvrtcGetPTXSize(void *program, size_t *size) { *size = sizeof text; return program == NULL; }
int nvrtcGetPTX(void *program, char *ptx) { memcpy(ptx, text, sizeof text); return program == NULL; }
