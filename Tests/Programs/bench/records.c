/* What programs of offices do: records with strings in them that are copied, compared and passed
 * from function to function, enumerations, small arrays, and many short calls. Prints a checksum;
 * the argument is the number of rounds (3,000,000 when there is none). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { DRAFT, SENT, PAID, LATE, CLOSED };

struct bill {
    struct bill *next;
    enum state state;
    int amount, day;
    char name[32];
};

static struct bill bills[8];
static int totals[40], table[40][40];
static char last = 'A';
static unsigned sum;

#define CALL __attribute__((noinline))

CALL static enum state after(enum state state, int day) {
    switch (state) {
    case DRAFT: return SENT;
    case SENT: return day > 30 ? LATE : PAID;
    case LATE: return day & 1 ? PAID : LATE;
    case PAID: return CLOSED;
    default: return DRAFT;
    }
}

CALL static int same(char a, char b) {
    char copy = a;
    if (copy != b)
        return 0;
    last = copy;
    return 1;
}

CALL static int precedes(const char *a, const char *b) {
    int at = 2;
    while (at <= 3 && same(a[at], b[at + 1]))
        at++;
    if (strcmp(a, b) > 0)
        return at + 7 > 8;
    return 0;
}

CALL static void book(int *row, int (*grid)[40], int at, int value) {
    int place = at + 5;
    row[place] = value;
    row[place + 1] = row[place];
    row[place + 20] = place;
    for (int i = place; i <= place + 1; i++)
        grid[place][i] = place;
    grid[place][place - 1]++;
    grid[place + 15][place] = row[place];
}

CALL static void advance(struct bill *bill, int day) {
    struct bill *next = bill->next;
    *next = *bill;
    next->next = bill->next->next ? bill->next->next : bill;
    bill->amount = 5;
    next->amount = bill->amount + day % 10;
    next->state = after(bill->state, day);
    if (next->state == PAID) {
        next->day = 6;
        next->amount += totals[day % 35];
    } else {
        next->day = bill->day + 1;
    }
}

CALL static int share(int a, int b) {
    int whole = a * b;
    int part = whole / (b - 2);
    return 7 * (whole - part) - a;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 3000000;
    char first[32], second[32];
    for (int i = 0; i < 8; i++) {
        bills[i].next = &bills[(i + 1) % 8];
        strcpy(bills[i].name, "A BILL OF THE FIRST CUSTOMER");
    }
    strcpy(first, "A BILL OF THE FIRST CUSTOMER");
    for (int round = 1; round <= rounds; round++) {
        strcpy(second, round & 1 ? "A BILL OF THE OTHER CUSTOMER" : "A BILL OF THE FIRST CUSTOMER");
        int isLater = !precedes(first, second), a = 2, b = 3, c = 0;
        while (a < b) {
            c = 5 * a - b;
            a++;
        }
        book(totals, table, a + round % 10, c);
        advance(&bills[round % 8], round & 63);
        for (char letter = 'A'; letter <= last && letter < 'C'; letter++)
            if (same(letter, 'C'))
                strcpy(second, "A BILL OF NOBODY");
        sum = sum * 31 + (unsigned)share(b + isLater, a + c) + (unsigned)bills[round % 8].state +
              (unsigned)bills[(round + 1) % 8].amount + (unsigned char)second[10];
    }
    printf("%d rounds, checksum %08x\n", rounds, sum);
    return 0;
}
