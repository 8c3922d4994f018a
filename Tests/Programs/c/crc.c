#include <stdint.h>
#include <stdio.h>
int main(void) {
    uint32_t table[256], crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    for (uint32_t i = 0; i < 300000; i++) crc = crc >> 8 ^ table[(crc ^ i * 2654435761u >> 13) & 255];
    printf("%08x\n", ~crc);
    return 0;
}
