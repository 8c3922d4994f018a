// Angles of rotary position embeddings (RoFormer, arXiv 2104.09864) in double, without libm.
//
// Computed once per position and not per layer, so it need not be fast; it must be the same
// on every machine, which pow, sin and cos of different C libraries are not.

#include "kernels_math.h"

#pragma STDC FP_CONTRACT OFF

// Adding 1.5 * 2^52 rounds a double to an integer.
static const double rounder = 0x1.8p+52;

/// ln x for x > 0: x = m * 2^e with m near 1, ln m = 2 artanh((m - 1) / (m + 1)).
static double log_f64(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        exponent -= 1;
    }
    const double s = (m - 1) / (m + 1), square = s * s;
    // |s| < 0.172: the first term left out is below 1e-19.
    double sum = 0;
    for (int k = 23; k > 1; k -= 2) {
        sum = fma(sum, square, 1.0 / k);
    }
    return fma(exponent, 0x1.62e42fefa39efp-1, 2 * fma(s * square, sum, s));
}

/// exp x: 2^n times the Taylor polynomial of degree 14 on |r| <= ln 2 / 2.
static double exp_f64(double x) {
    const double n = fma(x, 0x1.71547652b82fep+0, rounder) - rounder;
    const double r = fma(-n, 0x1.abc9e3b39803fp-56, fma(-n, 0x1.62e42fefa39efp-1, x));
    double sum = 1;
    for (int k = 14; k > 0; k--) {
        sum = fma(sum, r / k, 1.0);
    }
    return ldexp(sum, (int)n);
}

/// sin and cos: x less a multiple of π/2 in two parts, then Taylor polynomials.
static void sincos_f64(double x, double *sine, double *cosine) {
    const double n = fma(x, 0x1.45f306dc9c883p-1, rounder) - rounder;
    const double r = fma(-n, 0x1.1a62633145c07p-54, fma(-n, 0x1.921fb54442d18p+0, x));
    const double square = r * r;
    double s = 1, c = 1;
    for (int k = 18; k > 1; k -= 2) {
        s = fma(s, -square / (k * (k + 1)), 1.0);
        c = fma(c, -square / (k * (k - 1)), 1.0);
    }
    s *= r;
    switch ((int64_t)n & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

void kernels_rope_frequencies(
    double base, double scale, const float *factors, size_t pair_count, double *out
) {
    const double log_base = log_f64(base);
    for (size_t i = 0; i < pair_count; i++) {
        const double power = exp_f64(-(double)i / (double)pair_count * log_base) * scale;
        out[i] = factors ? power / factors[i] : power;
    }
}

void kernels_rope_angles(
    const double *frequencies, size_t pair_count, size_t position, double magnitude,
    size_t copies, float *angles
) {
    for (size_t i = 0; i < pair_count; i++) {
        double sine, cosine;
        sincos_f64((double)position * frequencies[i], &sine, &cosine);
        for (size_t place = copies * i; place < copies * (i + 1); place++) {
            angles[place] = (float)(cosine * magnitude);
            angles[copies * pair_count + place] = (float)(sine * magnitude);
        }
    }
}

double kernels_log(double x) {
    return log_f64(x);
}

float kernels_exp(float x) {
    return exp_f32(x);
}
