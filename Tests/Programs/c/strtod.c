// Decimal to binary and back.
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    const char *texts[] = {"0", "-0", "1", "0.1", "3.141592653589793238", "1e22", "1e23", "8.5e-320", "4.9e-324", "2.4e-324", "1.7976931348623157e308", "1.8e308", "-123456789.987654321", "0x1.8p3", "inf", "nan", "9007199254740993", "5e-1x"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *end;
        double d = strtod(texts[i], &end);
        float f = strtof(texts[i], 0);
        printf("%s: %.17g %a %.9g rest '%s'\n", texts[i], d, d, f, end);
    }
    unsigned long long state = 1;
    for (int i = 0; i < 300; i++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        union { unsigned long long bits; double value; } u = {state};
        char text[64];
        snprintf(text, sizeof text, "%.17g", u.value);
        printf("%s %d\n", text, u.value != u.value || strtod(text, 0) == u.value);
    }
    return 0;
}
