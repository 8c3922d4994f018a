/* Floating point as science and sound use it: a fast Fourier transform in single precision, the
 * factors of a matrix in double precision, and a sum of library functions. Prints results; the
 * argument is the number of rounds (200 when there is none). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 4096, SIDE = 64 };

static float real[POINTS], imaginary[POINTS], cosines[POINTS / 2], sines[POINTS / 2];
static double matrix[SIDE][SIDE];

static void transform(void) {
    for (int i = 1, j = 0; i < POINTS; i++) {
        int bit = POINTS >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            float r = real[i], m = imaginary[i];
            real[i] = real[j];
            imaginary[i] = imaginary[j];
            real[j] = r;
            imaginary[j] = m;
        }
    }
    for (int length = 2; length <= POINTS; length <<= 1) {
        int half = length / 2, step = POINTS / length;
        for (int start = 0; start < POINTS; start += length)
            for (int k = 0; k < half; k++) {
                int a = start + k, b = a + half;
                float c = cosines[k * step], s = sines[k * step];
                float r = real[b] * c - imaginary[b] * s, m = real[b] * s + imaginary[b] * c;
                real[b] = real[a] - r;
                imaginary[b] = imaginary[a] - m;
                real[a] += r;
                imaginary[a] += m;
            }
    }
}

static double factor(int round) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            matrix[i][j] = ((i * 7 + j * 13 + round) % 17) / 8.0 + (i == j ? SIDE : 0);
    double determinant = 0;
    for (int k = 0; k < SIDE; k++) {
        determinant += log(fabs(matrix[k][k]));
        for (int i = k + 1; i < SIDE; i++) {
            double factor = matrix[i][k] / matrix[k][k];
            for (int j = k; j < SIDE; j++)
                matrix[i][j] -= factor * matrix[k][j];
        }
    }
    return determinant;
}

static double curve(int round) {
    double sum = 0;
    for (int i = 1; i <= 2000; i++) {
        double x = i * 0.001 + round * 0.01;
        sum += exp(-x) * sin(x * 3) + sqrt(x) / (1 + x * x) + pow(x, 0.3);
    }
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 200;
    double sum = 0;
    for (int i = 0; i < POINTS / 2; i++) {
        cosines[i] = (float)cos(2 * 3.14159265358979 * i / POINTS);
        sines[i] = (float)-sin(2 * 3.14159265358979 * i / POINTS);
    }
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < POINTS; i++) {
            real[i] = (float)((i * 37 + round) % 101) / 50 - 1;
            imaginary[i] = 0;
        }
        transform();
        for (int i = 0; i < POINTS; i++)
            sum += sqrt((double)real[i] * real[i] + (double)imaginary[i] * imaginary[i]);
        sum += factor(round) + curve(round);
    }
    printf("%d rounds, %.6g\n", rounds, sum);
    return 0;
}
