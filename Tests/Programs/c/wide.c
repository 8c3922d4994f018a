// Wide characters in the C locale.
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <wctype.h>
int main(void) {
    wchar_t text[64], copy[64];
    size_t n = mbstowcs(text, "Wide text, 42 chars", 64);
    printf("%zu", n);
    for (size_t i = 0; i < n; i++) printf(" %x%d", (unsigned)towupper(text[i]), !!iswalpha(text[i]));
    wcscpy(copy, text), wcscat(copy, L"!");
    printf("\n%zu %ld %d %ls\n", wcslen(copy), wcstol(L"123", 0, 10), wcscmp(text, copy), copy);
    swprintf(copy, 64, L"%d-%ls-%.3f", 7, L"x", 2.5);
    printf("%ls\n", copy);
    return 0;
}
