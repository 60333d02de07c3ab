/* Lets user-mode Linux run on a processor with AMX. Loaded before the C library (LD_PRELOAD).
 *
 * Linux 6.1 for user mode keeps 2696 bytes of registers for each process, which is everything up to AVX-512 and the
 * protection keys. Where the processor has AMX, ptrace takes the whole area of 11008 bytes or nothing (EFAULT), so the
 * first process of the machine could not be started. This ptrace fills the area up. The tiles of AMX count as unused,
 * which they are, because a process has to ask for them and the machine's kernel refuses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202               /* NT_X86_XSTATE */
#define COMPONENTS 512             /* where the area says which of its components are in use */
#define TILES (UINT64_C(3) << 17)  /* the two components of AMX */

static long set_registers(long pid, const struct iovec *given)
{
    static _Thread_local char area[1 << 16] __attribute__((aligned(64)));
    static _Thread_local size_t whole;

    if (whole == 0) {
        struct iovec asked = {area, sizeof area};
        if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, XSTATE, &asked) != 0)
            return -1;
        whole = asked.iov_len;
        memset(area, 0, sizeof area);
    }
    if (given->iov_len >= whole || given->iov_len < COMPONENTS + sizeof(uint64_t))
        return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, XSTATE, given);
    memcpy(area, given->iov_base, given->iov_len);
    uint64_t used;
    memcpy(&used, area + COMPONENTS, sizeof used);
    used &= ~TILES;
    memcpy(area + COMPONENTS, &used, sizeof used);
    struct iovec filled = {area, whole};
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, XSTATE, &filled);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list rest;
    va_start(rest, request);
    long pid = va_arg(rest, int);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);

    if (request == PTRACE_SETREGSET && (uintptr_t)address == XSTATE)
        return set_registers(pid, data);
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        /* The system call stores the word, the function of the C library returns it. */
        long word;
        if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
