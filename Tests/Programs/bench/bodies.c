/* Five bodies under gravity, a matrix product, and a set of Mandelbrot, in double precision; a
 * filter in single precision. Prints checksums; the argument is the number of rounds. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODIES = 5, SIDE = 64, WIDTH = 96, SAMPLES = 4096 };

static double position[BODIES][3], velocity[BODIES][3], mass[BODIES];
static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];
static float signal[SAMPLES], filtered[SAMPLES];

static void place(void) {
    for (int i = 0; i < BODIES; i++) {
        mass[i] = i ? 0.01 * i : 39.5;
        for (int k = 0; k < 3; k++) {
            position[i][k] = i * 1.7 + k * 0.3 * i;
            velocity[i][k] = i ? (k - 1) * 2.1 / i : 0;
        }
    }
}

static void advance(double step) {
    for (int i = 0; i < BODIES; i++)
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = position[i][k] - position[j][k];
                square += d[k] * d[k];
            }
            double factor = step / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                velocity[i][k] -= d[k] * mass[j] * factor;
                velocity[j][k] += d[k] * mass[i] * factor;
            }
        }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            position[i][k] += step * velocity[i][k];
}

static double multiply(int round) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (i * 3 + j + round) % 17 * 0.25;
            right[i][j] = (i + j * 5) % 13 * 0.5 - 1;
        }
    double trace = 0;
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            double sum = 0;
            for (int k = 0; k < SIDE; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
        trace += product[i][i];
    }
    return trace;
}

static long mandelbrot(void) {
    long total = 0;
    for (int y = 0; y < WIDTH; y++)
        for (int x = 0; x < WIDTH; x++) {
            double cr = 3.0 * x / WIDTH - 2, ci = 2.4 * y / WIDTH - 1.2, r = 0, i = 0;
            int n = 0;
            while (n < 60 && r * r + i * i < 4) {
                double t = r * r - i * i + cr;
                i = 2 * r * i + ci;
                r = t;
                n++;
            }
            total += n;
        }
    return total;
}

static float filter(int round) {
    for (int i = 0; i < SAMPLES; i++)
        signal[i] = (float)((i * 37 + round) % 101) / 101.0f;
    float a = 0, b = 0;
    for (int i = 0; i < SAMPLES; i++) {
        float y = 0.2f * signal[i] + 1.3f * a - 0.5f * b;
        b = a;
        a = y;
        filtered[i] = y > 0.9f ? 0.9f : y;
    }
    float sum = 0;
    for (int i = 0; i < SAMPLES; i++)
        sum += filtered[i] * filtered[i];
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 60;
    double sum = 0;
    long points = 0;
    place();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < 1000; i++)
            advance(0.001);
        sum += multiply(round) + filter(round);
        points += mandelbrot();
    }
    double energy = 0;
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            energy += mass[i] * velocity[i][k] * velocity[i][k];
    printf("%d rounds, %.12g %.12g %ld\n", rounds, sum, energy, points);
    return 0;
}
