/* protocol.h: the messages between a client and core; recap-protocol(7) says what is in them. */
#ifndef RECAP_CORE_PROTOCOL_H
#define RECAP_CORE_PROTOCOL_H

/* What a client asks. The numbers stay. */
enum protocol_request {
    ASK_HELLO = 1,
    ASK_BYE,
    ASK_LIST,
    ASK_NAME,
    ASK_OPEN,
    ASK_CLOSE,
    ASK_EXAMINE,
    ASK_SUSPEND,
    ASK_RESUME,
    ASK_DESTROY,
    ASK_REQUEST,
    ASK_INSTALL,
    ASK_REMOVE,
    ASK_DESCRIBE,
    ASK_LABEL,
    ASK_CONTENT,
    ASK_COMPARE,
    ASK_BIND,
    ASK_LOCAL,
    ASK_ADOPT,
    ASK_REGIONS,
    ASK_READ,
    ASK_WRITE,
    ASK_THREADS,
    ASK_ATTRIBUTES,
    ASK_GRAPH,
    ASK_CREATE_PD,
    ASK_CREATE,
    ASK_TIE,
    ASK_MAP,
    ASK_LOAD,
    ASK_SET_THREADS,
    ASK_SET_ATTRIBUTES,
    ASK_SESSION,
    ASK_END, /* one beyond the last */
};

enum protocol_answer {
    ANSWER_DONE = 0x80,
    ANSWER_ERROR,
    ANSWER_WANTS_CONTENT, /* core asks, while it works, and the client answers: */
    ANSWER_CONTENT,
};

/* What core says of itself in its hello. */
enum protocol_ability {
    CORE_CARRIES = 1 << 0,  /* descriptors cross */
    CORE_LOADS = 1 << 1,    /* memory is filled from a core file that crosses, and not by writing */
    CORE_HANDS_ON = 1 << 2, /* sessions of one PD are handed on */
    CORE_CONFINED = 1 << 3, /* this is one */
    CORE_LOOKS = 1 << 4,    /* and it only looks */
};

/* What a session of one PD gives. */
enum protocol_session {
    SESSION_LOOKS = 0, /* what is held, and what it is */
    SESSION_FULL = 1,  /* all that may be done with the PD */
};

/* The parts of a graph that a client pushes, in this order. */
enum protocol_part {
    PART_GRAPH = 1, /* kernel, machine, release, time: begins a new graph */
    PART_OBJECT,
    PART_PD, /* id, name, attributes: what follows belongs to it */
    PART_SLOT,
    PART_REGION,
    PART_THREAD,
    PART_END, /* the graph is whole: it is checked now */
};

#endif
