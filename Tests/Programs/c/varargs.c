#include <stdarg.h>
#include <stdio.h>
struct pair { long a; double b; };
struct large { long x[5]; };
static double sum(const char *kinds, ...) {
    va_list list;
    va_start(list, kinds);
    double total = 0;
    for (; *kinds; kinds++)
        switch (*kinds) {
        case 'i': total += va_arg(list, int); break;
        case 'l': total += (double)va_arg(list, long); break;
        case 'd': total += va_arg(list, double); break;
        case 'p': { struct pair p = va_arg(list, struct pair); total += (double)p.a * p.b; break; }
        case 'q': total += (double)va_arg(list, long double); break;
        case 's': { struct large s = va_arg(list, struct large); total += (double)s.x[4]; break; }
        }
    va_end(list);
    return total;
}
static struct pair twice(struct pair p) { return (struct pair){p.a * 2, p.b * 2}; }
int main(void) {
    struct pair p = twice((struct pair){3, 1.25});
    printf("%.10g\n", sum("idlpqsidlidlidl", 1, 2.5, 3L, p, 7.5L, (struct large){{1, 2, 3, 4, 5}}, 4, 5.5, 6L, 7, 8.5, 9L, 10, 11.5, 12L));
    return 0;
}
