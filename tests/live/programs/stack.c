/* stack.c: waits three frames deep, for the debugger to find. */
#include <sys/stat.h>
#include <unistd.h>

static volatile int depth;

__attribute__((noinline)) static void inner(const char *name)
{
    mknod(name, S_IFREG | 0600, 0);
    for (;;) {
        pause();
        depth++;
    }
}

__attribute__((noinline)) static void outer(const char *name)
{
    inner(name);
    depth--;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        outer(argv[1]);
    return depth + 1;
}
