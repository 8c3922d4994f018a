#include <math.h>
#include <stdio.h>
struct body { double p[3], v[3], m; };
static struct body b[5] = {{{0, 0, 0}, {0, 0, 0}, 39.47}, {{4.84, -1.16, -.10}, {.606, 2.81, -.02}, .0376}, {{8.34, 4.12, -.40}, {-1.01, 1.82, .008}, .0112}, {{12.8, -15.1, -.22}, {1.08, .868, -.010}, .0017}, {{15.3, -25.9, .179}, {.979, .594, -.034}, .0020}};
int main(void) {
    for (int step = 0; step < 2000; step++) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                double d[3], s = 0;
                for (int k = 0; k < 3; k++) d[k] = b[i].p[k] - b[j].p[k], s += d[k] * d[k];
                double f = 0.001 / (s * sqrt(s));
                for (int k = 0; k < 3; k++) b[i].v[k] -= d[k] * b[j].m * f, b[j].v[k] += d[k] * b[i].m * f;
            }
        for (int i = 0; i < 5; i++)
            for (int k = 0; k < 3; k++) b[i].p[k] += 0.001 * b[i].v[k];
    }
    for (int i = 0; i < 5; i++) printf("%a %.17g %.17g\n", b[i].p[0], b[i].p[1], b[i].v[2]);
    return 0;
}
