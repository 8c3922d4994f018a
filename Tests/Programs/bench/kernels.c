/* The integer work that most programs are made of, in one loop: a linked list that is sorted and
 * searched, a small matrix product, a state machine over text, and a checksum over all results.
 * Prints the checksum; the argument is the number of rounds (20,000 when there is none). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 96, SIDE = 16, TEXT = 400 };

struct node {
    struct node *next;
    int16_t key, order;
};

static struct node nodes[NODES];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static char text[TEXT];

static uint16_t checksum(uint16_t sum, uint32_t value) {
    for (int bit = 0; bit < 16; bit++) {
        unsigned mix = (sum ^ value) & 1;
        sum >>= 1;
        if (mix)
            sum ^= 0xa001;
        value >>= 1;
    }
    return sum;
}

static struct node *merge(struct node *a, struct node *b, int by_key) {
    struct node head, *tail = &head;
    while (a && b) {
        int first = by_key ? a->key <= b->key : a->order <= b->order;
        struct node **taken = first ? &a : &b;
        tail->next = *taken;
        tail = *taken;
        *taken = (*taken)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list, int by_key) {
    if (!list || !list->next)
        return list;
    struct node *slow = list, *fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    struct node *half = slow->next;
    slow->next = 0;
    return merge(sort(list, by_key), sort(half, by_key), by_key);
}

static uint16_t lists(uint32_t seed, uint16_t sum) {
    struct node *list = 0;
    for (int i = 0; i < NODES; i++) {
        seed = seed * 1103515245u + 12345u;
        nodes[i].key = (int16_t)(seed >> 16);
        nodes[i].order = (int16_t)i;
        nodes[i].next = list;
        list = &nodes[i];
    }
    list = sort(list, 1);
    for (struct node *n = list; n; n = n->next)
        if (n->key & 1)
            sum = checksum(sum, (uint16_t)n->key);
    list = sort(list, 0);
    for (int wanted = 0; wanted < NODES; wanted += 7) {
        struct node *n = list;
        while (n && n->order != wanted)
            n = n->next;
        sum = checksum(sum, n ? (uint16_t)n->key : 0xffff);
    }
    return sum;
}

static uint16_t matrices(uint32_t seed, uint16_t sum) {
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            seed = seed * 69069u + 1u;
            left[i][j] = (int16_t)(seed >> 20);
            right[i][j] = (int16_t)(seed >> 12);
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t total = 0;
            for (int k = 0; k < SIDE; k++)
                total += left[i][k] * right[k][j];
            product[i][j] = total;
        }
    for (int i = 0; i < SIDE; i++)
        sum = checksum(sum, (uint32_t)product[i][SIDE - 1 - i]);
    return sum;
}

static uint16_t machine(uint32_t seed, uint16_t sum) {
    static const char alphabet[] = "0123456789+-.eE, x";
    enum state { START, SIGN, WHOLE, FRACTION, EXPONENT, WRONG, STATES };
    uint32_t visits[STATES] = {0};
    for (int i = 0; i < TEXT; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = alphabet[(seed >> 24) % (sizeof alphabet - 1)];
    }
    enum state state = START;
    for (int i = 0; i < TEXT; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9';
        if (c == ',') {
            state = START;
        } else {
            switch (state) {
            case START: state = digit ? WHOLE : c == '+' || c == '-' ? SIGN : WRONG; break;
            case SIGN: state = digit ? WHOLE : WRONG; break;
            case WHOLE: state = digit ? WHOLE : c == '.' ? FRACTION : WRONG; break;
            case FRACTION: state = digit ? FRACTION : (c | 32) == 'e' ? EXPONENT : WRONG; break;
            case EXPONENT: state = digit || c == '-' ? EXPONENT : WRONG; break;
            default: break;
            }
        }
        visits[state]++;
    }
    for (int i = 0; i < STATES; i++)
        sum = checksum(sum, visits[i]);
    return sum;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 20000;
    uint16_t sum = 0xffff;
    for (int i = 0; i < rounds; i++) {
        sum = lists((uint32_t)i + 1, sum);
        sum = matrices((uint32_t)i + 7, sum);
        sum = machine((uint32_t)i + 3, sum);
    }
    printf("%d rounds, checksum %04x\n", rounds, sum);
    return 0;
}
