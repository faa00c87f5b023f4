/* foc.h: what the files of the Fiasco.OC backend share.
 *
 * Core makes the components itself, and every kernel object that they have: they ask for one
 * through their session (service.h). So core knows what the kernel does not tell (which thread a
 * gate is bound to, a thread's pager, priority and UTCB) and keeps that as the ties of the graph.
 *
 * Core is one thread. Whatever waits for something calls foc_serve(), which handles the page
 * faults, exceptions and sessions of the components; so nothing here needs a lock.
 */
#ifndef RECAP_FOC_FOC_H
#define RECAP_FOC_FOC_H

#include "kernel/kernel.h"
#include <l4/sys/types.h>
#include <l4/sys/utcb.h>

struct foc;
struct foc_pd;
struct foc_thread;

enum foc_kind {
    FOC_TASK,      /* a PD */
    FOC_THREAD,    /* a thread of a PD */
    FOC_SESSION,   /* the gate by which one thread reaches core: pager, exceptions, session */
    FOC_GATE,      /* an IPC gate between components */
    FOC_IRQ,       /* an interrupt object, triggered by software */
    FOC_SEMAPHORE, /* a semaphore of the kernel's */
    FOC_MEMORY,    /* memory that may be attached to PDs: a gate to core by which it is named */
    FOC_LOG,       /* the kernel's console */
    FOC_UNKNOWN,   /* not core's: somebody outside made it */
    FOC_KINDS,
};

/* One object. They are never moved; the badge is its place in the table and is not used again. */
struct foc_object {
    recap_badge badge;
    enum foc_kind kind;
    l4_cap_idx_t cap;     /* core's own capability, with every right that there is */
    unsigned long number; /* the kernel's own number of the object; 0: it tells none */
    uint64_t family;   /* launched or restored together: objects go with their family's last PD */
    char name[40];     /* by which other components find it; "": by none */
    struct foc_pd *pd; /* FOC_TASK, FOC_THREAD, FOC_SESSION: whose */
    uint64_t thread;   /* FOC_THREAD, FOC_SESSION: which thread of it */
    recap_badge bound; /* FOC_GATE, FOC_IRQ: the thread that it is bound to; 0: to none */
    l4_umword_t label; /* what that thread sees of it */
    bool pending;      /* FOC_IRQ: triggered and not taken yet, known while the world stands */
    uint8_t *bytes;    /* FOC_MEMORY */
    uint64_t size;
};

/* A thread's registers as they travel: the order of Linux's core files, which debuggers know. */
struct foc_registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
    uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

enum foc_wait {
    FOC_RUNS,     /* it waits for nothing */
    FOC_SENDS,    /* for its partner to receive, or for a semaphore: it sends again */
    FOC_RECEIVES, /* for a message: it receives again */
    FOC_CALLS, /* for an answer that its partner owes it: the call is made again, without message */
};

struct foc_thread {
    uint64_t id; /* in its PD, from 1: it has the UTCB of that place */
    struct foc_pd *pd;
    struct foc_object *object;
    struct foc_object *session;
    l4_cap_idx_t session_cap; /* where the PD has it: pager and exception handler of the thread */
    unsigned priority;
    bool started;        /* it has run once */
    bool parked;         /* it stands in an exception that core has not answered */
    const char *crashed; /* why it will never run again, or NULL */
    enum foc_wait wait;
    l4_exc_regs_t registers; /* while parked */
    uint8_t *extended;       /* while parked: foc_fpu_size() bytes */
    uint8_t utcb[1024];      /* while the world stands */
    struct foc_thread *next;
};

struct foc_region {
    uint64_t start, length;
    uint32_t protection;       /* enum recap_protection */
    struct foc_object *memory; /* what is attached; NULL: anonymous */
    uint8_t *bytes;            /* where core has it */
    struct foc_region *next;   /* ascending */
};

struct foc_pd {
    uint64_t id;
    char name[32];
    struct foc *foc;
    struct foc_object *task;
    uint64_t family;
    struct foc_region *regions;
    struct foc_thread *threads; /* ascending ids */
    uint8_t *scratch;           /* core's view of the page at FOC_SCRATCH */
    uint64_t utcb_areas;        /* how many runs of UTCBs it has */
    unsigned opened;            /* handles */
    bool runs;                  /* false: made, and not resumed yet */
    bool ended;                 /* it asked for its end */
    struct foc_pd *next;
};

/* What a caller holds of a PD. */
struct foc_handle {
    struct recap_pd base;
    struct foc_pd *pd; /* NULL once it was destroyed */
    bool suspended;
    bool made;
};

struct foc {
    struct recap_kernel base;
    char release[64];
    struct foc_object **objects; /* by badge - 1; NULL: gone */
    size_t object_count, object_capacity;
    struct foc_pd *pds;
    uint64_t families;
    unsigned long making; /* the graph that PDs are made of; they are one family */
    unsigned stopped;     /* how many want the world to stand */
    l4_cap_idx_t factory, log;
    bool numbers;   /* the kernel has a debugger, which numbers objects */
    uint8_t *stub;  /* the page at FOC_STUB */
    bool interrupt; /* the serial line has something */
};

/* What a component's address space has beside its own regions. */
enum {
    FOC_STUB = 0x70000000,    /* instructions by which core acts inside */
    FOC_SCRATCH = 0x70001000, /* a page between core and what it does inside */
    FOC_UTCBS = 0x71000000,   /* message buffers of its threads */
    FOC_UTCB_ORDER = 16,
    FOC_SPACE_END = 0x70000000, /* regions lie below */
};
/* UTCBs come in runs of so many; the address space has room for so many threads. */
enum {
    FOC_UTCB_RUN = (1 << FOC_UTCB_ORDER) / L4_UTCB_OFFSET,
    FOC_MOST_THREADS = (0x7f000000 - FOC_UTCBS) / L4_UTCB_OFFSET,
};
enum { FOC_PAGE = 4096 };

/* --- foc.c --- */
struct foc *foc_open(struct recap_error *error);
struct foc_pd *foc_pd(struct recap_pd *handle);

/* --- objects.c --- */
/* Enters an object that core has at `cap`; NULL: out of memory. */
struct foc_object *foc_enter(struct foc *foc, enum foc_kind kind, l4_cap_idx_t cap,
                             uint64_t family);
/* The object with that badge, or NULL. */
struct foc_object *foc_object(const struct foc *foc, recap_badge badge);
const char *foc_kind_name(enum foc_kind kind);
/* Makes a kernel object of a kind. A gate or interrupt is bound by foc_bind. */
int foc_make(struct foc *foc, enum foc_kind kind, uint64_t family, struct foc_object **object,
             struct recap_error *error);
int foc_bind(struct foc *foc, struct foc_object *object, struct foc_object *thread,
             l4_umword_t label, struct recap_error *error);
int foc_make_memory(struct foc *foc, uint64_t size, uint64_t family, struct foc_object **object,
                    struct recap_error *error);
/* Ends the object everywhere. */
void foc_end_object(struct foc *foc, struct foc_object *object);
/* How often a semaphore can be taken; only while the world stands. */
int64_t foc_semaphore_count(const struct foc_object *object);
void foc_semaphore_raise(const struct foc_object *object, int64_t count);

/* --- objects_state.c: the operations of kernel.h on objects --- */
int foc_describe(struct recap_kernel *, recap_badge, struct recap_arena *, struct recap_object *,
                 struct recap_error *);
int foc_label(struct recap_kernel *, recap_badge, struct recap_arena *, const char **,
              struct recap_error *);
ssize_t foc_content(struct recap_kernel *, recap_badge, uint64_t, void *, size_t,
                    struct recap_error *);
int foc_create(struct recap_kernel *, const struct recap_creation *, uint64_t, recap_badge *,
               struct recap_error *);
int foc_compare(struct recap_kernel *, recap_badge, const struct recap_graph *, uint64_t,
                struct recap_error *);
int foc_bind_spec(struct recap_kernel *, const char *, uint32_t, recap_badge *,
                  struct recap_error *);

/* --- space.c --- */
l4_cap_idx_t foc_selector(void); /* a free selector of core's own, or L4_INVALID_CAP */
void foc_selector_free(l4_cap_idx_t cap);
int foc_request(struct recap_pd *, recap_selector, struct recap_cap *, recap_selector *,
                struct recap_error *);
int foc_install(struct recap_pd *, recap_selector, const struct recap_cap *, struct recap_error *);
int foc_remove(struct recap_pd *, recap_selector, struct recap_error *);
/* The object behind a PD's selector, or NULL. */
struct foc_object *foc_behind(struct foc_pd *pd, recap_selector selector);
int foc_put(struct foc_pd *pd, recap_selector selector, const struct foc_object *object,
            uint32_t rights, struct recap_error *error);

/* --- memory.c --- */
int foc_regions(struct recap_pd *, struct recap_graph *, struct recap_pd_image *,
                struct recap_error *);
int foc_read(struct recap_pd *, uint64_t, void *, size_t, struct recap_error *);
int foc_write(struct recap_pd *, uint64_t, const void *, size_t, struct recap_error *);
int foc_map(struct recap_pd *, const struct recap_creation *, const struct recap_pd_image *, int,
            struct recap_error *);
/* A new region; `memory` NULL: anonymous and zeroed. */
int foc_region_add(struct foc_pd *pd, uint64_t start, uint64_t length, uint32_t protection,
                   struct foc_object *memory, struct recap_error *error);
void foc_regions_free(struct foc_pd *pd);
/* Detaches memory that is about to go from every PD. */
void foc_regions_forget(struct foc *foc, const struct foc_object *memory);
uint8_t *foc_pages(uint64_t length); /* zeroed pages of core's own, or NULL */
void foc_pages_free(uint8_t *pages, uint64_t length);
/* Copies from or to the PD's memory: 0 or -EFAULT. */
int foc_copy(struct foc_pd *pd, uint64_t address, void *buffer, size_t size, bool write);
/* Resolves a page fault; false: there is nothing at that address that permits it. */
bool foc_page_fault(struct foc_pd *pd, uint64_t address, bool write);

/* --- pds.c --- */
struct foc_pd *foc_pd_make(struct foc *foc, uint64_t id, const char *name, uint64_t family,
                           struct recap_error *error);
void foc_pd_end(struct foc_pd *pd);
/* Ends components that asked for it and that nobody has open. */
void foc_reap(struct foc *foc);
struct foc_thread *foc_thread_make(struct foc_pd *pd, uint64_t id, struct recap_error *error);
struct foc_thread *foc_thread(const struct foc_pd *pd, uint64_t id);
/* Lets a made thread run for the first time; the PD has its session at `session_cap`. */
int foc_thread_start(struct foc_thread *thread, l4_cap_idx_t session_cap, unsigned priority,
                     uint64_t ip, uint64_t sp, struct recap_error *error);

/* --- threads.c --- */
int foc_threads(struct recap_pd *, struct recap_graph *, struct recap_pd_image *,
                struct recap_error *);
int foc_threads_set(struct recap_pd *, const struct recap_graph *, const struct recap_pd_image *,
                    struct recap_error *);

/* --- park.c: single threads --- */
/* Has a parked thread run the stub at `entry` with these registers until it is parked again. */
int foc_run_stub(struct foc_thread *thread, uint64_t entry, l4_exc_regs_t *registers,
                 struct recap_error *error);
/* A parked thread's UTCB from or to thread->utcb. */
int foc_utcb_copy(struct foc_thread *thread, bool write, struct recap_error *error);
/* Has the thread go on with its registers. */
void foc_unpark(struct foc_thread *thread);
/* Takes a thread's exception: it is parked from here on. */
void foc_parked(struct foc_thread *thread, const l4_exc_regs_t *registers);
uint8_t *foc_stub_make(void); /* the page to be seen at FOC_STUB, or NULL */
enum { FOC_STUB_COPY = FOC_STUB, FOC_STUB_TRAP = FOC_STUB + 2, FOC_STUB_IPC = FOC_STUB + 8 };

/* --- world.c: all of them --- */
int foc_stop_world(struct foc *foc, struct recap_error *error);
void foc_start_world(struct foc *foc);
/* Starts what is parked in PDs that run, unless the world stands. */
void foc_go_on(struct foc *foc);

/* --- fpu.c --- */
size_t foc_fpu_size(void);
void foc_fpu_init(void);
/* Whether the processor would load these bytes, which may come from anywhere. */
bool foc_fpu_valid(const uint8_t *extended, size_t size);
struct foc_message {
    l4_umword_t destination, tag, label, timeouts;
    const uint8_t *load; /* extended registers that go with the message, or NULL */
    uint8_t *save;       /* room for those that come with it, or NULL */
};
void foc_ipc(struct foc_message *message);

/* --- serve.c --- */
enum { FOC_INTERRUPT = 16 }; /* label of the serial line's interrupt; no object is there */
/* Handles at most one message of a component; waits up to `microseconds` for it. False: none came.
 */
bool foc_serve(struct foc *foc, unsigned microseconds);

/* --- service.c --- */
/* Carries out what a component asks for in the message registers; the answer is a label. */
long foc_session(struct foc_thread *thread, l4_umword_t *words, unsigned count);

/* --- launch.c --- */
/* Makes a PD of an ELF program and starts it. */
int foc_launch(struct foc *foc, const char *name, const uint8_t *elf, size_t size, uint64_t family,
               struct recap_error *error);

#endif
