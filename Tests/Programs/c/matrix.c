#include <math.h>
#include <stdio.h>
enum { N = 40 };
static double a[N][N], b[N][N], c[N][N];
static float fa[N][N], fc[N][N];
int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = 1.0 / (i + j + 1), b[i][j] = sin(i * 3.0 + j);
            fa[i][j] = (float)b[i][j];
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < N; k++) c[i][j] += a[i][k] * b[k][j], fc[i][j] += fa[i][k] * fa[k][j];
    double trace = 0, total = 0;
    for (int i = 0; i < N; i++) trace += c[i][i], total += fc[i][N - 1 - i];
    printf("%.17g %.17g\n", trace, total);
    return 0;
}
