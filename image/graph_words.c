/* graph_words.c: words that graph.json uses for bits. */
#include "image/graph_json.h"

const struct graph_word graph_rights[] = {
    {RECAP_RIGHT_READ, "read"},
    {RECAP_RIGHT_WRITE, "write"},
    {RECAP_RIGHT_PATH, "path"},
    {RECAP_RIGHT_SEND, "send"},
    {RECAP_RIGHT_RECEIVE, "receive"},
    {RECAP_RIGHT_SEND_ONCE, "send-once"},
    {RECAP_RIGHT_PORT_SET, "port-set"},
    {RECAP_RIGHT_DEAD_NAME, "dead-name"},
    {RECAP_RIGHT_DELETE, "delete"},
    {RECAP_RIGHT_SPECIAL, "special"},
    {0, NULL},
};

const struct graph_word graph_slot_flags[] = {
    {RECAP_SLOT_CLOSE_ON_EXEC, "close-on-exec"},
    {0, NULL},
};

const struct graph_word graph_protection[] = {
    {RECAP_PROT_READ, "read"},
    {RECAP_PROT_WRITE, "write"},
    {RECAP_PROT_EXECUTE, "execute"},
    {0, NULL},
};
