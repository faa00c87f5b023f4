/* traps.S: entering the kernel, and being entered by it.
 *
 * The kernel takes the arguments of a trap from above the return address of the stub. It starts a
 * task with argc, argv and the environment on the stack. */

        .macro trap name number
        .globl \name
        .type \name, @function
\name:
        movl    $\number, %eax
        lcall   $7, $0
        ret
        .size \name, . - \name
        .endm

        .text
        trap mach_msg_trap, -25
        trap mach_reply_port, -26
        trap mach_thread_self, -27
        trap task_self_trap, -28
        trap mach_host_self, -29
        trap mach_print, -30
        trap swtch_pri, -59
        trap thread_switch, -61

        .globl _start
        .type _start, @function
_start:
        xorl    %ebp, %ebp
        movl    (%esp), %eax
        leal    4(%esp), %edx
        andl    $-16, %esp
        subl    $8, %esp
        pushl   %edx
        pushl   %eax
        call    guest_main
1:      jmp     1b
        .size _start, . - _start

        .section .note.GNU-stack, "", @progbits
