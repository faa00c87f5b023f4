/* still.c: queued messages, which the kernel does not show.
 *
 * For a moment in which no other task of the machine runs, the receive rights of the PDs' ports
 * that have messages come to core: messages are received, read and sent again in their order. Then
 * every receive right goes back to its name, with its sequence number, its make-send count and its
 * place in a port set. Threads of the PDs are out of the kernel by then, so nobody waits on these
 * ports.
 */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "kernel/mach/messages.h"
#include "mach.user.h"
#include "mach_host.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct letter {
    struct letter *next;
    size_t size;
    mach_msg_header_t *message;
};

/* A receive right that core took for a moment. */
struct taken {
    struct taken *next;
    struct mach_pd *pd;
    mach_port_name_t name;
    mach_port_t port; /* core's name for it */
    mach_port_status_t status;
    struct letter *letters;
    struct mach_queue *queue;
};

struct stillness {
    struct mach_kernel *mach;
    struct taken *taken;
    struct recap_error *error;
};

void mach_still_over(struct mach_kernel *mach)
{
    recap_arena_free(mach->still);
    mach->still = NULL;
    mach->queues = NULL;
}

const struct mach_queue *mach_queue(const struct mach_kernel *mach, const struct mach_pd *pd,
                                    mach_port_name_t name)
{
    const struct mach_queue *queue = mach->queues;
    while (queue && (queue->pd != pd || queue->name != name))
        queue = queue->next;
    return queue;
}

/* --- who else there is -------------------------------------------------------------------------
 */

static bool is_ours(const struct mach_pd *pd)
{
    return pd->open && pd->suspended && !pd->created;
}

/* Stops, or lets go on, all other tasks of the machine. */
static int hold_others(struct stillness *still, bool hold)
{
    struct mach_kernel *mach = still->mach;
    mach_port_t name, set;
    task_array_t tasks;
    mach_msg_type_number_t count;
    kern_return_t why = processor_set_default(mach->host, &name);
    if (why == KERN_SUCCESS) {
        why = host_processor_set_priv(mach->host, name, &set);
        mach_port_deallocate(mach_task_self(), name);
    }
    if (why == KERN_SUCCESS) {
        why = processor_set_tasks(set, &tasks, &count);
        mach_port_deallocate(mach_task_self(), set);
    }
    if (why != KERN_SUCCESS)
        return mach_fail(still->error, why, "listing the tasks of the machine");
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        bool other = tasks[i] != mach_task_self() && tasks[i] != mach->kernel_task;
        if (other && hold)
            task_suspend(tasks[i]);
        else if (other)
            task_resume(tasks[i]);
        mach_port_deallocate(mach_task_self(), tasks[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)tasks, count * sizeof *tasks);
    return 0;
}

/* --- taking ------------------------------------------------------------------------------------
 */

static int no_memory(const struct stillness *still)
{
    return recap_fail(still->error, -ENOMEM, "reading queued messages");
}

static int receive_all(const struct stillness *still, struct taken *taken)
{
    struct letter **last = &taken->letters;
    size_t capacity = 4096;
    for (;;) {
        mach_msg_header_t *message = malloc(capacity);
        struct letter *letter = calloc(1, sizeof *letter);
        if (!message || !letter) {
            free(message);
            free(letter);
            return no_memory(still);
        }
        mach_msg_return_t why = mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | MACH_RCV_LARGE,
                                         0, capacity, taken->port, 0, MACH_PORT_NULL);
        if (why != MACH_MSG_SUCCESS) {
            if (why == MACH_RCV_TOO_LARGE)
                capacity = message->msgh_size;
            free(message);
            free(letter);
            if (why == MACH_RCV_TOO_LARGE)
                continue;
            return why == MACH_RCV_TIMED_OUT ? 0
                                             : mach_fail(still->error, why, "reading a message");
        }
        *letter = (struct letter){.size = message->msgh_size, .message = message};
        *last = letter;
        last = &letter->next;
    }
}

static int take(struct stillness *still, struct mach_pd *pd, mach_port_name_t name,
                const mach_port_status_t *status)
{
    mach_msg_type_name_t type;
    struct taken *taken = calloc(1, sizeof *taken);
    if (!taken)
        return no_memory(still);
    *taken = (struct taken){.pd = pd, .name = name, .status = *status, .next = still->taken};
    kern_return_t why =
        mach_port_extract_right(pd->task, name, MACH_MSG_TYPE_MOVE_RECEIVE, &taken->port, &type);
    if (why != KERN_SUCCESS) {
        free(taken);
        return mach_fail(still->error, why, "taking the receive right at name %u", name);
    }
    still->taken = taken;
    int result = 0;
    recap_badge badge = mach_local_badge(pd, name);
    /* Where others hold send rights, core has one, too, and knows the port by its name for it. */
    if (status->mps_srights) {
        badge = taken->port;
        mach_port_insert_right(mach_task_self(), taken->port, taken->port, MACH_MSG_TYPE_MAKE_SEND);
        result = mach_keep(still->mach, taken->port, still->error);
    }
    mach_borrow(still->mach, taken->port, badge);
    return result ? result : receive_all(still, taken);
}

/* Takes the ports of one PD that have messages. */
static int take_ports(struct stillness *still, struct mach_pd *pd)
{
    __attribute__((cleanup(mach_names_free))) struct mach_names names = {0};
    mach_port_status_t status;
    int result = mach_names(pd->task, &names, still->error);
    for (size_t i = 0; result == 0 && i < names.count; i++)
        if (names.types[i] & MACH_PORT_TYPE_RECEIVE &&
            mach_port_get_receive_status(pd->task, names.names[i], &status) == KERN_SUCCESS &&
            status.mps_msgcount && !status.mps_nsrequest && !status.mps_pdrequest)
            result = take(still, pd, names.names[i], &status);
    return result;
}

/* A right that a message carries: its badge, or 0 with the queue refused. */
static recap_badge carried(struct stillness *still, struct mach_queue *queue, unsigned type,
                           mach_port_t name)
{
    recap_badge badge = 0;
    if (type == MACH_MSG_TYPE_PORT_SEND && MACH_PORT_VALID(name)) {
        mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_SEND, 1);
        return mach_keep(still->mach, name, NULL) == 0 ? name : 0;
    }
    if (type == MACH_MSG_TYPE_PORT_SEND_ONCE && MACH_PORT_VALID(name) &&
        mach_follow(still->mach, mach_task_self(), name, &badge, NULL) == 0 && badge)
        return badge;
    if (type == MACH_MSG_TYPE_PORT_RECEIVE)
        queue->refusal = "a message in its queue carries a receive right";
    else if (!MACH_PORT_VALID(name))
        queue->refusal = "a message in its queue carries a right to a port that is dead";
    else
        queue->refusal = "a message in its queue carries a send-once right that leads outside";
    return 0;
}

static void put_right(struct recap_arena *arena, struct recap_value *list, size_t offset,
                      recap_badge badge, unsigned type)
{
    struct recap_value *record = recap_put_record(arena, list, NULL);
    recap_put_number(arena, record, "offset", (int64_t)offset);
    recap_put_object(arena, record, "object", badge);
    recap_put_number(arena, record, "once", type == MACH_MSG_TYPE_PORT_SEND_ONCE);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static void read_item(struct stillness *still, struct taken *taken, struct letter *letter,
                      const struct mach_item *item, struct recap_value *rights,
                      struct recap_value *memory)
{
    struct recap_arena *arena = still->mach->still;
    char *message = (char *)letter->message;
    vm_offset_t data;
    if (item->in_line && mach_is_right(item->type)) {
        for (size_t i = 0; i < item->count; i++) {
            mach_port_t name;
            size_t at = item->data + i * sizeof name;
            memcpy(&name, message + at, sizeof name);
            if (name == MACH_PORT_NULL)
                continue;
            recap_badge badge = carried(still, taken->queue, item->type, name);
            if (badge)
                put_right(arena, rights, at - sizeof *letter->message, badge, item->type);
        }
    } else if (!item->in_line) {
        if (mach_is_right(item->type))
            taken->queue->refusal = "a message in its queue carries rights out of line";
        memcpy(&data, message + item->data, sizeof data);
        struct recap_value *record = recap_put_record(arena, memory, NULL);
        recap_put_number(arena, record, "offset", (int64_t)(item->data - sizeof *letter->message));
        recap_put_bytes(arena, record, "bytes", (const void *)data, item->size);
        mach_give_memory(message, item);
    }
}

static void read_letter(struct stillness *still, struct taken *taken, struct letter *letter)
{
    struct recap_arena *arena = still->mach->still;
    mach_msg_header_t *header = letter->message;
    struct recap_value *record = recap_put_record(arena, taken->queue->messages, NULL);
    struct mach_item item;
    size_t at = sizeof *header;
    unsigned reply = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    recap_put_number(arena, record, "id", header->msgh_id);
    recap_put_number(arena, record, "once",
                     MACH_MSGH_BITS_LOCAL(header->msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE);
    recap_put_number(arena, record, "complex", header->msgh_bits & MACH_MSGH_BITS_COMPLEX ? 1 : 0);
    if (header->msgh_remote_port != MACH_PORT_NULL) {
        recap_badge badge = carried(still, taken->queue, reply, header->msgh_remote_port);
        if (badge) {
            recap_put_object(arena, record, "reply", badge);
            recap_put_number(arena, record, "reply_once", reply == MACH_MSG_TYPE_PORT_SEND_ONCE);
        }
    }
    struct recap_value *rights = recap_put_list(arena, record, "rights");
    struct recap_value *memory = recap_put_list(arena, record, "memory");
    int more = 1;
    while (header->msgh_bits & MACH_MSGH_BITS_COMPLEX &&
           (more = mach_next_item(header, letter->size, &at, &item)) > 0)
        read_item(still, taken, letter, &item, rights, memory);
    if (more < 0)
        taken->queue->refusal = "a message in its queue is malformed";
    recap_put_bytes(arena, record, "body", header + 1, letter->size - sizeof *header);
}

static int read_queue(struct stillness *still, struct taken *taken)
{
    struct mach_kernel *mach = still->mach;
    if (!taken->letters)
        return 0;
    struct mach_queue *queue = taken->queue = recap_arena_alloc(mach->still, sizeof *queue);
    if (!queue)
        return no_memory(still);
    *queue = (struct mach_queue){.pd = taken->pd, .name = taken->name, .next = mach->queues};
    queue->messages = recap_put_list(mach->still, recap_record(mach->still), "messages");
    mach->queues = queue;
    for (struct letter *letter = taken->letters; letter; letter = letter->next)
        read_letter(still, taken, letter);
    return recap_arena_failed(mach->still) ? no_memory(still) : 0;
}

/* --- putting back ------------------------------------------------------------------------------
 */

static kern_return_t send_again(const struct taken *taken, struct letter *letter)
{
    mach_msg_header_t *message = letter->message;
    mach_msg_bits_t bits = message->msgh_bits;
    bool once = MACH_MSGH_BITS_LOCAL(bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;
    message->msgh_bits =
        (bits & MACH_MSGH_BITS_COMPLEX) |
        MACH_MSGH_BITS(once ? MACH_MSG_TYPE_MAKE_SEND_ONCE : MACH_MSG_TYPE_MAKE_SEND,
                       MACH_MSGH_BITS_REMOTE(bits));
    message->msgh_local_port = message->msgh_remote_port;
    message->msgh_remote_port = taken->port;
    return mach_msg(message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, letter->size, 0, MACH_PORT_NULL, 0,
                    MACH_PORT_NULL);
}

/* Everything is tried, whatever fails: the first failure is told. */
static kern_return_t put_back(struct taken *taken)
{
    mach_port_t self = mach_task_self();
    kern_return_t first = KERN_SUCCESS, why;
    mach_port_set_qlimit(self, taken->port, MACH_PORT_QLIMIT_MAX);
    for (struct letter *letter = taken->letters, *next; letter; letter = next) {
        next = letter->next;
        why = send_again(taken, letter);
        first = first ? first : why;
        free(letter->message);
        free(letter);
    }
    mach_port_set_qlimit(self, taken->port, taken->status.mps_qlimit);
    why = mach_port_insert_right(taken->pd->task, taken->name, taken->port,
                                 MACH_MSG_TYPE_MOVE_RECEIVE);
    first = first ? first : why;
    mach_port_set_mscount(taken->pd->task, taken->name, taken->status.mps_mscount);
    mach_port_set_seqno(taken->pd->task, taken->name, taken->status.mps_seqno);
    if (taken->status.mps_pset != MACH_PORT_NULL)
        why = mach_port_move_member(taken->pd->task, taken->name, taken->status.mps_pset);
    return first ? first : why;
}

static int put_all_back(struct stillness *still, int result)
{
    kern_return_t why = KERN_SUCCESS;
    for (struct taken *taken = still->taken, *next; taken; taken = next) {
        kern_return_t one = put_back(taken);
        next = taken->next;
        mach_borrow(still->mach, taken->port, 0);
        why = why ? why : one;
        free(taken);
    }
    if (why != KERN_SUCCESS && result == 0)
        return mach_fail(still->error, why, "putting receive rights back");
    return result;
}

/* --- all of it ---------------------------------------------------------------------------------
 */

int mach_still(struct mach_kernel *mach, struct recap_error *error)
{
    struct stillness still = {.mach = mach, .error = error};
    if (mach->still)
        return 0;
    mach->still = recap_arena_new();
    if (!mach->still)
        return no_memory(&still);
    int result = hold_others(&still, true);
    if (result == 0) {
        for (struct mach_pd *pd = mach->pds; result == 0 && pd; pd = pd->next)
            if (is_ours(pd))
                result = take_ports(&still, pd);
        for (struct taken *taken = still.taken; result == 0 && taken; taken = taken->next)
            result = read_queue(&still, taken);
        result = put_all_back(&still, result);
        hold_others(&still, false);
    }
    if (result < 0)
        mach_still_over(mach);
    return result;
}
