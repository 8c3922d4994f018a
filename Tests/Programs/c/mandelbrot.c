#include <stdio.h>
int main(void) {
    for (int y = 0; y < 24; y++) {
        for (int x = 0; x < 70; x++) {
            double cr = x / 25.0 - 2.1, ci = y / 10.0 - 1.2, r = 0, i = 0;
            int n = 0;
            while (n < 60 && r * r + i * i < 4) {
                double t = r * r - i * i + cr;
                i = 2 * r * i + ci, r = t, n++;
            }
            putchar(" .:-=+*#%@"[n * 9 / 60]);
        }
        putchar('\n');
    }
    return 0;
}
