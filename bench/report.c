/* report.c: one line per figure: what, measured, beside what, ratio, limit. */
#include "bench/bench.h"

#include <stdarg.h>
#include <stdio.h>

static const char *time_text(double seconds, char *buffer, size_t size)
{
    if (seconds < 1e-3)
        snprintf(buffer, size, "%.2f us", seconds * 1e6);
    else if (seconds < 1)
        snprintf(buffer, size, "%.2f ms", seconds * 1e3);
    else
        snprintf(buffer, size, "%.3f s", seconds);
    return buffer;
}

static const char *verdict(struct bench *bench, bool within)
{
    bench->over += !within;
    return within ? "within" : "OVER";
}

void report_time(struct bench *bench, const char *what, double seconds, double limit)
{
    char measured[32], most[32];
    printf("%-58s %12s   at most %-10s %s\n", what, time_text(seconds, measured, sizeof measured),
           time_text(limit, most, sizeof most), verdict(bench, seconds <= limit));
    fflush(stdout);
}

void report_ratio(struct bench *bench, const char *what, double cost, const char *than,
                  double physical, double limit)
{
    char measured[32], least[32];
    double ratio = cost / physical;
    printf("%-58s %12s   %.2f x %s (%s), at most %.4g x   %s\n", what,
           time_text(cost, measured, sizeof measured), ratio, than,
           time_text(physical, least, sizeof least), limit, verdict(bench, ratio <= limit));
    fflush(stdout);
}

void report_figure(const char *what, const char *format, ...)
{
    va_list arguments;
    printf("%-58s ", what);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}
