/* stack.c: waits three frames deep, for the debugger to find. */
#include <fcntl.h>
#include <unistd.h>

static volatile int depth;

__attribute__((noinline)) static void inner(const char *name)
{
    close(open(name, O_WRONLY | O_CREAT, 0600));
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
