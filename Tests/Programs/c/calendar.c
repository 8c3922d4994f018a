#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void) {
    setenv("TZ", "UTC0", 1);
    time_t times[] = {0, 951782400, 1709164800, 4102444800, -86400};
    for (int i = 0; i < 5; i++) {
        struct tm t;
        gmtime_r(&times[i], &t);
        char text[64];
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j %U", &t);
        printf("%s %ld\n", text, (long)mktime(&t));
    }
    return 0;
}
